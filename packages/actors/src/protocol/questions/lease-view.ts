import type { Epoch } from "../../message/brands.ts";
import { finite, record } from "../checks.ts";
import { anEpoch, text } from "../field-checks.ts";

/** The lease of a queue as people see it. */
export interface LeaseView {
  readonly epoch: Epoch;
  /** Name of the member that holds it. */
  readonly holder: string;
  readonly expiresInMs: number;
}
export const leaseView = record<LeaseView>({ epoch: anEpoch, holder: text, expiresInMs: finite });
