import {
  type AnyActorRef,
  type AnyActorScope,
  type AnyStateMachine,
  createEmptyActor,
  type EmittedFrom,
  type EventFromLogic,
  type InputFrom,
  type SnapshotFrom,
} from "xstate";

// A light actor takes a machine's steps without an XState actor around it: it calls `getInitialSnapshot`, `transition` and
// the scope of actions, which XState does not promise to keep. So its range among the peers (package.json) ends at the
// version that light-actor.test.ts passed with.

/** Hears what becomes of light actors. */
export interface LightWatcher {
  /** It is in another state, or in the same one anew. */
  moved(actor: Light): void;
  /** It has come to a final state. */
  done(actor: Light): void;
  /** It threw, and has stopped. */
  failed(actor: Light, error: unknown): void;
}
interface Light {
  readonly path: string;
  stop(): void;
  getSnapshot(): { readonly value?: unknown };
}

/**
 * What machines run on, one for all light actors of a registry: they run to completion one at a time, so that nothing
 * in it is of any one of them for long.
 */
export class LightStage {
  readonly watcher: LightWatcher;
  readonly #self: AnyActorRef = createEmptyActor();
  #effects: (() => void)[] = [];
  #emit: (event: { readonly type: string }) => void = () => {};

  constructor(watcher: LightWatcher) {
    this.watcher = watcher;
  }
  /** Takes one step; its effects run once the new snapshot has been kept, as those of an XState actor do. */
  run<S>(
    step: (scope: AnyActorScope) => S,
    keep: (snapshot: S) => void,
    emit: (event: { readonly type: string }) => void,
  ): void {
    const outer = { effects: this.#effects, emit: this.#emit };
    const effects: (() => void)[] = [];
    this.#effects = effects;
    this.#emit = emit;
    try {
      const snapshot = step(this.#scope);
      requireChildless(snapshot);
      keep(snapshot);
      for (const effect of effects) {
        this.#emit = emit; // a listener may have sent to another one meanwhile
        effect();
      }
    } finally {
      this.#effects = outer.effects;
      this.#emit = outer.emit;
    }
  }
  /** Machines without a context have few snapshots: those they have come to are kept once, for all of them. */
  shared<S>(snapshot: S): S {
    const { machine, context, status, value } = snapshot as unknown as SharedSnapshot;
    if (status !== "active" || Object.keys(context).length > 0) return snapshot;
    const known = this.#shared.get(machine) ?? new Map<string, unknown>();
    this.#shared.set(machine, known);
    const state = JSON.stringify(value);
    if (!known.has(state)) known.set(state, snapshot);
    return known.get(state) as S;
  }
  readonly #shared = new WeakMap<object, Map<string, unknown>>();
  readonly #scope: AnyActorScope = {
    self: this.#self,
    id: this.#self.id,
    sessionId: this.#self.sessionId,
    system: this.#self.system,
    logger: () => {},
    defer: (effect) => void this.#effects.push(effect),
    emit: (event) => this.#emit(event),
    stopChild: () => {
      throw new Error("a light actor has no children");
    },
    actionExecutor: ({ exec, info, params }) => exec?.(info, params),
  };
}
/** What a machine spawns within `assign` shows only here. It has not been started, and never is. */
function requireChildless(snapshot: unknown): void {
  for (const _ in (snapshot as { readonly children: object }).children)
    throw new Error("a light actor has no children");
}
interface SharedSnapshot {
  readonly machine: object;
  readonly context: object;
  readonly status: string;
  readonly value: unknown;
}
type Listener = readonly [type: string, handler: (event: never) => void];
const NOBODY: readonly Listener[] = [];

/**
 * A state machine at work without what XState keeps for each actor (a system, a mailbox, some forty closures: 4.5
 * KB). For machines of which there are thousands, and which neither invoke, spawn, send nor wait: their effects are
 * assignments and emitted events (`requireLight`).
 */
export class LightActor<L extends AnyStateMachine> {
  readonly #stage: LightStage;
  readonly path: string;
  readonly #logic: L;
  #snapshot!: SnapshotFrom<L>;
  #listeners = NOBODY;
  /** Sent while it works; null while it rests. */
  #waiting: EventFromLogic<L>[] | null = null;
  #stopped = false;

  constructor(stage: LightStage, path: string, logic: L, input: InputFrom<L>) {
    this.#stage = stage;
    this.path = path;
    this.#logic = logic;
    stage.run(
      (scope) => logic.getInitialSnapshot(scope, input) as SnapshotFrom<L>,
      (snapshot) => {
        this.#snapshot = stage.shared(snapshot);
      },
      () => {}, // nobody listens yet
    );
  }
  getSnapshot(): SnapshotFrom<L> {
    return this.#snapshot;
  }
  on<T extends EmittedFrom<L>["type"] | "*">(
    type: T,
    handler: (event: T extends "*" ? EmittedFrom<L> : Extract<EmittedFrom<L>, { readonly type: T }>) => void,
  ): void {
    this.#listeners = this.#listeners.concat([[type, handler]]);
  }
  /** Handles the event at once, or, sent from one of its own listeners, after the one in hand. */
  send(event: EventFromLogic<L>): void {
    if (this.#stopped) return;
    if (this.#waiting !== null) {
      this.#waiting.push(event);
      return;
    }
    const waiting = [event];
    this.#waiting = waiting;
    try {
      for (const next of waiting) if (!this.#stopped) this.#step(next);
    } catch (error) {
      this.#stopped = true;
      this.#stage.watcher.failed(this, error);
    } finally {
      this.#waiting = null;
    }
  }
  stop(): void {
    this.#stopped = true;
  }

  #step(event: EventFromLogic<L>): void {
    this.#stage.run(
      (scope) => this.#logic.transition(this.#snapshot, event, scope) as SnapshotFrom<L>,
      (snapshot) => {
        this.#snapshot = this.#stage.shared(snapshot);
      },
      (emitted) => this.#notify(emitted),
    );
    this.#stage.watcher.moved(this);
    if ((this.#snapshot as { readonly status: string }).status === "active") return;
    this.#stopped = true;
    this.#stage.watcher.done(this);
  }
  #notify(emitted: { readonly type: string }): void {
    for (const [type, handler] of this.#listeners) if (type === "*" || type === emitted.type) handler(emitted as never);
  }
}
