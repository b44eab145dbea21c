// What is set aside, as it is shown.
import type { Offset } from "../../message/brands.ts";
import { type Fields, finite, optional, packedMessage, since, yesOrNo } from "../checks.ts";
import { anOffset, queue } from "../field-checks.ts";

export interface AsideMessage {
  readonly queue: number;
  readonly offset: Offset;
  readonly appendedAtMs: number;
  /** Packed. */
  readonly message: Uint8Array;
  /**
   * Whoever asked may not `read`: the message comes without body and headers. On links of version 1 it does so unsaid.
   */
  readonly withheld?: boolean;
}
export const asideMessageFields: Fields<AsideMessage> = {
  queue,
  offset: anOffset,
  appendedAtMs: finite,
  message: packedMessage,
  withheld: since(2, optional(yesOrNo)),
};
