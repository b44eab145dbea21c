import type { Observable } from "rxjs";
import type { InspectionEvent } from "xstate";

/** The states of each kind of actor, as `list` shows and `watch` emits them: those of its machine. */
export interface ActorStates {
  broker: "starting" | "serving" | "draining" | "stopped" | "failed";
  session: "handshaking" | "open" | "closing" | "ended";
  queue: "recovering" | "active" | "full" | "closing" | "failed";
  subscription: "quarantined" | "vacant" | "leased.flowing" | "leased.suspended" | "leased.halted" | "revoking";
  group: "stable" | "rebalancing.settling" | "rebalancing.moving";
  connection: "connecting" | "handshaking" | "open" | "backingOff" | "closed";
  producer: "open" | "closing" | "closed";
  consumer: "open" | "closing" | "closed";
  lane: "idle" | "sending" | "rewinding" | "blocked" | "fenced";
  worker:
    | "acquiring"
    | "waiting"
    | "handling"
    | "backingOff"
    | "settingAside"
    | "halted"
    | "draining"
    | "released"
    | "lost";
}
export type ActorKind = keyof ActorStates;
export type ActorView<Kind extends ActorKind = ActorKind> = {
  [K in Kind]: { readonly kind: K; readonly path: string; readonly state: ActorStates[K]; readonly sinceMs: number };
}[Kind];
export interface Actors {
  list<Kind extends ActorKind = ActorKind>(kind?: Kind): readonly ActorView<Kind>[];
  /** Emits an actor's view at each change of its state. */
  watch<Kind extends ActorKind = ActorKind>(kind?: Kind): Observable<ActorView<Kind>>;
}
/** XState's own inspection events, outside semver; doubles the cost of machine events. */
export type Inspect = (event: InspectionEvent) => void;
