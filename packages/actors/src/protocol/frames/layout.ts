// How frames that come with messages are laid out in the binary codec.
import { offset } from "../../message/brands.ts";
import type { ByteReader } from "../byte-reader.ts";
import type { ByteWriter } from "../byte-writer.ts";
import { LIMITS, type OffsetRange, type RedrivenId, type Settlement } from "../field-checks.ts";

/** To add a field, add it at the same place of `write` and `read`, if the link's `version` has it, and raise `upTo`. */
export interface Layout<F> {
  /** First byte of the frame; never reused. */
  readonly code: number;
  readonly write: (to: ByteWriter, frame: F, version: number) => void;
  readonly read: (from: ByteReader, version: number) => F;
  /**
   * The newest protocol version whose fields it has. On links that have newer ones the frame goes as a map. @default 1
   */
  readonly upTo?: number;
  /**
   * Whether what `read` made also keeps the rules that reading does not look at (numbers, bytes, flags and lengths of
   * lists it does). Then there is nothing for `validateFrame` to find, and frames that come with every message are not
   * looked at twice.
   */
  readonly isSound?: (frame: F) => boolean;
}
export const isQueue = (queue: number): boolean => queue < LIMITS.queues;

export function writeSettlement(to: ByteWriter, settlement: Settlement): void {
  to.list(settlement.ranges, ([first, end]) => {
    to.uint(first);
    to.uint(end);
  });
  to.list(settlement.redriven, (id) => writeRedriven(to, id));
  to.list(settlement.tried, ([at, attempts]) => {
    to.uint(at);
    to.uint(attempts);
  });
  to.list(settlement.redrivenTried, (tried) => {
    writeRedriven(to, tried);
    to.uint(tried.attempts);
  });
}
export const readSettlement = (from: ByteReader): Settlement => ({
  ranges: from.list(LIMITS.ranges, 2, (): OffsetRange => [from.uint(), from.uint()]),
  redriven: from.list(LIMITS.ranges, 2, () => readRedriven(from)),
  tried: from.list(LIMITS.ranges, 2, () => [from.uint(), from.uint()] as const),
  redrivenTried: from.list(LIMITS.ranges, 3, () => ({ ...readRedriven(from), attempts: from.uint() })),
});
export function writeRedriven(to: ByteWriter, id: RedrivenId): void {
  to.uint(id.strand);
  to.uint(id.offset);
}
export const readRedriven = (from: ByteReader): RedrivenId => ({ strand: from.uint(), offset: offset(from.uint()) });
