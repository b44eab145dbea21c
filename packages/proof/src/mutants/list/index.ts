import type { Mutant } from "../mutant.ts";
import { BROKER_MUTANTS } from "./broker-mutants.ts";
import { DELIVERY_MUTANTS } from "./delivery-mutants.ts";
import { IDENTITY_MUTANTS } from "./identity-mutants.ts";
import { LEASE_MUTANTS } from "./lease-mutants.ts";
import { LOG_MUTANTS } from "./log-mutants.ts";
import { PRODUCER_MUTANTS } from "./producer-mutants.ts";
import { RIGHTS_MUTANTS } from "./rights-mutants.ts";
import { SIZE_MUTANTS } from "./size-mutants.ts";
import { TEXT_MUTANTS } from "./text-mutants.ts";
import { VERSION_MUTANTS } from "./version-mutants.ts";

export const MUTANTS: readonly Mutant[] = [
  ...BROKER_MUTANTS,
  ...LOG_MUTANTS,
  ...PRODUCER_MUTANTS,
  ...LEASE_MUTANTS,
  ...DELIVERY_MUTANTS,
  ...IDENTITY_MUTANTS,
  ...RIGHTS_MUTANTS,
  ...TEXT_MUTANTS,
  ...VERSION_MUTANTS,
  ...SIZE_MUTANTS,
];
