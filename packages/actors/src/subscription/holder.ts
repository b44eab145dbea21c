import { mayHave } from "../log/owner.ts";
import { type Epoch, NO_EPOCH } from "../message/brands.ts";
import type { MemberPort } from "./member-port.ts";

/** A member of one client, and how long it holds a lease without a renewal. */
export interface Holder {
  readonly instance: string;
  readonly member: string;
  readonly ttlMs: number;
  /** Whose instance and member these are; absent where nobody is told apart, and in data from before it was stored. */
  readonly principal?: string;
}
/** A lease as it is stored: the last epoch that was granted, and to whom it still is. */
export interface LeaseRecord {
  readonly epoch: Epoch;
  readonly holder: Holder | null;
}
/** Nobody has ever held it. */
export const NO_LEASE: LeaseRecord = { epoch: NO_EPOCH, holder: null };

/** Who asks for a lease. */
export const holderOf = ({ instance, name, principal }: Pick<MemberPort, "instance" | "name" | "principal">) => ({
  instance,
  member: name,
  ...(principal === null ? {} : { principal }),
});
/** Whether both are one member of one client of one principal (rule 5). */
export const isSameHolder = (a: Omit<Holder, "ttlMs">, b: Omit<Holder, "ttlMs">): boolean =>
  a.instance === b.instance && a.member === b.member && mayHave(a.principal ?? null, b.principal ?? null);
