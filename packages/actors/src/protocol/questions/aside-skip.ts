import { type AsideChanged, asideChanged, type EntryOrder, entryOrder } from "./aside-orders.ts";
import { question } from "./definition.ts";
import { toManage } from "./rights.ts";

/** The message is given up; a parked key's followers run. */
export interface AsideSkip extends EntryOrder {
  readonly kind: "aside.skip";
}

export const asideSkip = question<AsideSkip, AsideChanged>({
  kind: "aside.skip",
  fields: entryOrder,
  answer: asideChanged,
  needs: toManage,
  effect: "order",
});
