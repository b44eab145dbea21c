import { packedMessage } from "../checks.ts";
import { type AsideChanged, asideChanged, type EntryOrder, entryOrder } from "./aside-orders.ts";
import { question } from "./definition.ts";
import { toManage } from "./rights.ts";

/** Another body runs in the message's place: same key, id, headers and offset. */
export interface AsideReplace extends EntryOrder {
  readonly kind: "aside.replace";
  /** Packed. */
  readonly message: Uint8Array;
}

export const asideReplace = question<AsideReplace, AsideChanged>({
  kind: "aside.replace",
  fields: { ...entryOrder, message: packedMessage },
  answer: asideChanged,
  needs: toManage,
  effect: "order",
});
