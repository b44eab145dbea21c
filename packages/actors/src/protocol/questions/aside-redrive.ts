import { type AsideChanged, asideChanged, type KeyOrder, keyOrder } from "./aside-orders.ts";
import { question } from "./definition.ts";
import { toManage } from "./rights.ts";

/** All that waits of a key runs, in order, before anything newer. */
export interface AsideRedrive extends KeyOrder {
  readonly kind: "aside.redrive";
}

export const asideRedrive = question<AsideRedrive, AsideChanged>({
  kind: "aside.redrive",
  fields: keyOrder,
  answer: asideChanged,
  needs: toManage,
  effect: "order",
});
