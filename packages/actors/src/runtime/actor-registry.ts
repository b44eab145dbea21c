import { Observable, Subject } from "rxjs";
import {
  type Actor,
  type ActorOptions,
  type AnyActor,
  type AnyActorLogic,
  type AnyStateMachine,
  createActor,
  type EventFromLogic,
  type InputFrom,
  type SnapshotFrom,
} from "xstate";
import type { ActorKind, Actors, ActorView, Inspect } from "../contracts/actors.ts";
import { contained, guarded } from "./contained.ts";
import { LightActor, LightStage } from "./light-actor.ts";
import { requireLight } from "./light-machine.ts";
import type { Runtime } from "./runtime.ts";

/** Whom to start. */
export interface ActorSeat {
  readonly kind: ActorKind;
  /** Unique among the living. */
  readonly path: string;
  /** The machine threw, or somebody who listens to it: it has stopped, and the registry has dropped it. */
  readonly failed?: (error: unknown) => void;
  /** What is shown for a snapshot of the machine, if that is not the name of its state. Looked at anew after each step, and by `refresh`. */
  readonly state?: (snapshot: { readonly value?: unknown }) => string;
}
/** What their owners need of the machines of which there are very many. */
export interface LightRef<L extends AnyStateMachine> extends Pick<LightActor<L>, "on"> {
  getSnapshot(): SnapshotFrom<L>;
  send(event: EventFromLogic<L>): void;
}
interface Entry {
  readonly kind: ActorKind;
  readonly path: string;
  readonly actor: { stop(): unknown; getSnapshot(): { readonly value?: unknown } };
  readonly failed: ActorSeat["failed"];
  readonly shown: ActorSeat["state"];
  state: string;
  sinceMs: number;
}

/**
 * Every machine of one broker or client, under one supervisor: it starts them on the runtime's clock, shows their states, hears when one fails, and stops what is left.
 * A registry and not XState children, because spawning children into one machine costs more the more there are.
 */
export class ActorRegistry implements Actors {
  readonly #runtime: Runtime;
  readonly #inspect: Inspect | undefined;
  readonly #onFailure: (path: string, error: unknown) => void;
  readonly #dropped: (error: unknown) => void;
  readonly #entries = new Map<string, Entry>();
  readonly #changes = new Subject<ActorView>();
  readonly #stage: LightStage;

  constructor(options: {
    readonly runtime: Runtime;
    readonly inspect?: Inspect | undefined;
    /** An actor threw: it has stopped by itself. Whoever owns it decides what that means; this is for the log. */
    readonly onFailure: (path: string, error: unknown) => void;
    /** An observer of `watch`, or `inspect`, threw, which ends nothing, not even its subscription. */
    readonly dropped: (error: unknown) => void;
  }) {
    this.#runtime = options.runtime;
    const { inspect, dropped } = options;
    this.#onFailure = options.onFailure;
    this.#dropped = dropped;
    this.#inspect = inspect && ((event) => guarded(() => inspect(event), dropped));
    const entryOf = (actor: Entry["actor"] & { readonly path: string }) => {
      const entry = this.#entries.get(actor.path);
      return entry?.actor === actor ? entry : undefined;
    };
    this.#stage = new LightStage({
      moved: (actor) => {
        const entry = entryOf(actor);
        if (entry !== undefined) this.#note(entry, actor.getSnapshot());
      },
      done: (actor) => {
        const entry = entryOf(actor);
        if (entry !== undefined) this.#drop(entry);
      },
      failed: (actor, error) => {
        const entry = entryOf(actor);
        if (entry !== undefined) this.#failed(entry, error);
      },
    });
  }

  /** Starts a machine. It leaves the registry when it stops or reaches a final state. */
  start<L extends AnyActorLogic>(as: ActorSeat, logic: L, options: ActorOptions<L>): Actor<L> {
    const actor = createActor(logic, {
      ...options,
      clock: this.#runtime,
      id: as.path,
      ...(this.#inspect === undefined ? {} : { inspect: this.#inspect }),
    } as ActorOptions<L>) as Actor<L>;
    const entry = this.#enter(as, actor);
    this.#containListeners(actor, entry);
    actor.subscribe({
      next: (snapshot) => this.#note(entry, snapshot),
      complete: () => this.#drop(entry),
      error: (error) => this.#failed(entry, error),
    });
    actor.start();
    this.#note(entry, actor.getSnapshot());
    return actor;
  }
  /** Starts a machine of which there are very many: see `LightActor`. Somebody who inspects gets a whole XState actor. @throws Error for a machine that waits, invokes, spawns or sends */
  startLight<L extends AnyStateMachine>(as: ActorSeat, logic: L, input: InputFrom<L>): LightRef<L> {
    requireLight(logic);
    if (this.#inspect !== undefined)
      return this.start(as, logic, { input } as unknown as ActorOptions<L>) as unknown as LightRef<L>;
    const actor = new LightActor(this.#stage, as.path, logic, input);
    this.#note(this.#enter(as, actor), actor.getSnapshot());
    return actor;
  }
  /** A listener that throws ends its actor, as it ends a light one. XState would throw it at the whole process. */
  #containListeners(actor: AnyActor, entry: Entry): void {
    const on = actor.on.bind(actor);
    actor.on = (type, handler) =>
      on(type, (event) =>
        guarded(
          () => handler(event),
          (error) => {
            actor.stop();
            this.#failed(entry, error);
          },
        ),
      );
  }
  #enter({ kind, path, failed, state: shown }: ActorSeat, actor: Entry["actor"]): Entry {
    const entry: Entry = { kind, path, actor, failed, shown, state: "", sinceMs: this.#runtime.wallNow() };
    this.#entries.set(path, entry);
    return entry;
  }
  #drop(entry: Entry): void {
    if (this.#entries.get(entry.path) === entry) this.#entries.delete(entry.path);
  }
  #failed(entry: Entry, error: unknown): void {
    this.#drop(entry);
    this.#onFailure(entry.path, error);
    entry.failed?.(error);
  }

  /** What the actor under `path` shows has changed without a step of its machine. */
  refresh(path: string): void {
    const entry = this.#entries.get(path);
    if (entry !== undefined) this.#note(entry, entry.actor.getSnapshot());
  }
  /** Stops the actor under `path`, if it is there. */
  stop(path: string): void {
    const entry = this.#entries.get(path);
    if (entry === undefined) return;
    this.#entries.delete(path);
    entry.actor.stop();
  }
  stopAll(): void {
    for (const path of [...this.#entries.keys()]) this.stop(path);
    this.#changes.complete();
  }

  list<Kind extends ActorKind = ActorKind>(kind?: Kind): readonly ActorView<Kind>[] {
    const views: ActorView[] = [];
    for (const entry of this.#entries.values()) if (kind === undefined || entry.kind === kind) views.push(view(entry));
    return views as readonly ActorView[] as unknown as readonly ActorView<Kind>[];
  }
  watch<Kind extends ActorKind = ActorKind>(kind?: Kind): Observable<ActorView<Kind>> {
    const ofKind = new Observable<ActorView<Kind>>((subscriber) =>
      this.#changes.subscribe({
        next: (change) => {
          if (kind === undefined || change.kind === kind) subscriber.next(change as ActorView<Kind>);
        },
        complete: () => subscriber.complete(),
      }),
    );
    return contained(ofKind, this.#dropped);
  }

  #note(entry: Entry, snapshot: { readonly value?: unknown }): void {
    const state = entry.shown?.(snapshot) ?? stateName(snapshot.value);
    if (state === entry.state) return;
    entry.state = state;
    entry.sinceMs = this.#runtime.wallNow();
    if (this.#changes.observed) this.#changes.next(view(entry));
  }
}

const view = ({ kind, path, state, sinceMs }: Entry): ActorView => ({ kind, path, state, sinceMs }) as ActorView;
/** `"leased"` or `{ leased: "flowing" }` → `"leased.flowing"`. */
const stateName = (value: unknown): string => {
  if (typeof value === "string") return value;
  const [outer, inner] = Object.entries((value ?? {}) as Record<string, unknown>)[0] ?? ["", ""];
  return inner === undefined || inner === "" ? outer : `${outer}.${stateName(inner)}`;
};
