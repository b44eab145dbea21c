import type { Settlement } from "../protocol/frames.ts";
import type { StoreWrite } from "../store/store.ts";
import type { SetAside } from "./set-aside.ts";
import type { SubscriptionState } from "./subscription-state.ts";

/** Notes what a consumer reports (rule 21); returns what belongs into the same commit. Whatever was not delivered (from `deliveredEnd` on) is cut off. */
export function applySettlement(
  { state, aside }: { readonly state: SubscriptionState; readonly aside: SetAside },
  settlement: Settlement,
  deliveredEnd: number,
): StoreWrite[] {
  const writes: StoreWrite[] = [];
  for (const [from, to] of settlement.ranges) state.settle(from, Math.min(to, deliveredEnd));
  for (const { strand: id, offset: at } of settlement.redriven) {
    const strand = aside.ofRun(id);
    const taken = strand === undefined ? [] : aside.take(state, strand, at);
    if (taken.length > 0 && at >= state.cursor) state.settled.add(at, at + 1);
    writes.push(...taken);
  }
  for (const [at, attempts] of settlement.tried)
    if (at < deliveredEnd && !state.isDone(at)) state.noteTried(at, { attempts, losses: 0 });
  for (const { strand: id, offset: at, attempts } of settlement.redrivenTried) {
    const strand = aside.ofRun(id);
    // attempts of a message that has been put back since are over
    if (strand?.run === id) writes.push(...aside.tried(strand, at, { attempts, losses: 0 }));
  }
  state.advance();
  return writes;
}
