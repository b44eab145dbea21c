import { type AsideChanged, asideChanged, type EntryOrder, entryOrder } from "./aside-orders.ts";
import { question } from "./definition.ts";
import { toManage } from "./rights.ts";

/** The message runs again; a parked key's followers come after it. */
export interface AsideRetry extends EntryOrder {
  readonly kind: "aside.retry";
}

export const asideRetry = question<AsideRetry, AsideChanged>({
  kind: "aside.retry",
  fields: entryOrder,
  answer: asideChanged,
  needs: toManage,
  effect: "order",
});
