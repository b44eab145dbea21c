import type { Settlement } from "../protocol/frames.ts";
import type { StoreWrite } from "../store/store.ts";
import type { SetAside, Strand } from "./set-aside.ts";
import type { SubscriptionState } from "./subscription-state.ts";

/** What a settlement did. */
export interface Applied {
  /** Whether anything is otherwise than before. */
  readonly changed: boolean;
  /** What belongs into the same commit, beside the state. */
  readonly writes: readonly StoreWrite[];
}

/** Notes what a consumer reports (rule 21). Whatever was not delivered (from `deliveredEnd` on) is cut off. */
export function applySettlement(
  { state, aside }: { readonly state: SubscriptionState; readonly aside: SetAside },
  settlement: Settlement,
  deliveredEnd: number,
): Applied {
  let changed = false;
  for (const [from, to] of settlement.ranges) if (state.settle(from, Math.min(to, deliveredEnd))) changed = true;
  for (const [at, attempts] of settlement.tried)
    if (at < deliveredEnd && !state.isDone(at) && state.noteTried(at, { attempts, losses: 0 })) changed = true;
  const writes = applyRedriven({ state, aside }, settlement);
  return { changed: changed || writes.length > 0, writes };
}

const NOTHING: readonly StoreWrite[] = [];

/** The same of redriven messages; returns what belongs into the commit, nothing when nothing has changed. `over`: a strand of which a message was reported. */
export function applyRedriven(
  { state, aside }: { readonly state: SubscriptionState; readonly aside: SetAside },
  settlement: Pick<Settlement, "redriven" | "redrivenTried">,
  over: (strand: Strand) => void = () => {},
): readonly StoreWrite[] {
  const { redriven, redrivenTried } = settlement;
  if (redriven.length === 0 && redrivenTried.length === 0) {
    state.advance();
    return NOTHING; // as most
  }
  const writes: StoreWrite[] = [];
  for (const { strand: id, offset: at } of redriven) {
    const strand = aside.ofRun(id);
    if (strand === undefined) continue;
    over(strand);
    const taken = aside.take(state, strand, at);
    if (taken.length > 0 && at >= state.cursor) state.settled.add(at, at + 1);
    writes.push(...taken);
  }
  const failed = new Set<Strand>();
  for (const { strand: id, offset: at, attempts } of redrivenTried) {
    const strand = aside.ofRun(id);
    // attempts of a message that has been put back since are over
    if (strand?.run !== id) continue;
    over(strand);
    if (aside.noteTried(strand, at, { attempts, losses: 0 })) failed.add(strand);
  }
  for (const strand of failed) writes.push(aside.strandWrite(strand)); // once, however often it was reported
  state.advance();
  return writes;
}
