import { type AsideChanged, asideChanged, type KeyOrder, keyOrder } from "./aside-orders.ts";
import { question } from "./definition.ts";
import { toManage } from "./rights.ts";

/** All that waits of a key is given up; newer messages run. */
export interface AsideDiscard extends KeyOrder {
  readonly kind: "aside.discard";
}

export const asideDiscard = question<AsideDiscard, AsideChanged>({
  kind: "aside.discard",
  fields: keyOrder,
  answer: asideChanged,
  needs: toManage,
  effect: "order",
});
