import { storeKeys } from "../log/records.ts";
import { type LeaseRecord, NO_LEASE } from "./holder.ts";
import { SetAside } from "./set-aside.ts";
import type { SubscriptionScope } from "./subscription-scope.ts";
import { SubscriptionState } from "./subscription-state.ts";

/** A subscription as the store has it. */
export interface LoadedSubscription {
  readonly state: SubscriptionState;
  readonly aside: SetAside;
  readonly record: LeaseRecord;
  readonly isNew: boolean;
}
/** Reads it, or begins it at `begin` where there is none (`isNew`). @throws `STORE_DAMAGED` */
export async function loadSubscription(scope: SubscriptionScope, begin: number): Promise<LoadedSubscription> {
  const { store } = scope.topic;
  const { place, log } = scope;
  const { topic, queue, group } = place;
  const key = storeKeys.subscription(topic, queue, group);
  const stored = await store.get(key);
  const aside = new SetAside(place, store);
  if (stored === undefined) {
    const state = new SubscriptionState();
    state.start = log.start;
    state.cursor = Math.max(begin, log.start);
    state.skipped = state.cursor - state.start;
    return { state, aside, record: NO_LEASE, isNew: true };
  }
  const discarded = await store.get(storeKeys.discarded(topic, queue, group));
  const { state, record } = SubscriptionState.decode(key, stored, discarded);
  state.check(key, log.flushedEnd);
  await aside.recover(state);
  return { state, aside, record, isNew: false };
}
