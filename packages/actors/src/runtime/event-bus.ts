import { type Observable, Subject } from "rxjs";
import type { SystemEvent } from "../contracts/events.ts";
import { contained } from "./contained.ts";
import type { Runtime } from "./runtime.ts";

type WithoutTime<E> = E extends unknown ? Omit<E, "atMs"> : never;

/** Lifecycle events for whoever listens: hot, never replayed, never erring, free while nobody does. */
export class EventBus {
  readonly #runtime: Runtime;
  readonly #subject = new Subject<SystemEvent>();
  readonly events$: Observable<SystemEvent>;

  /** `dropped`: an observer threw, which ends nothing, not even its subscription. */
  constructor(runtime: Runtime, dropped: (error: unknown) => void) {
    this.#runtime = runtime;
    this.events$ = contained(this.#subject, dropped);
  }
  /** Whether anybody listens: ask before building something costly. */
  get observed(): boolean {
    return this.#subject.observed;
  }
  emit(event: WithoutTime<SystemEvent>): void {
    if (this.#subject.observed) this.#subject.next({ ...event, atMs: this.#runtime.wallNow() } as SystemEvent);
  }
  complete(): void {
    this.#subject.complete();
  }
}
