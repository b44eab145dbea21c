import type { SnapshotFrom } from "xstate";
import { epoch } from "../message/brands.ts";
import type { LightRef } from "../runtime/actor-registry.ts";
import {
  type Holder,
  isHeld,
  type SubscriptionEmitted,
  type SubscriptionEvent,
  subscriptionMachine,
} from "./subscription.machine.ts";
import type { SubscriptionContextOf } from "./subscription-context.ts";
import type { SubscriptionState } from "./subscription-state.ts";

export interface LeaseKeeperOwner {
  decided(decision: SubscriptionEmitted): void;
  /** The deadline, as it was when the timer was set, has come: look at the clock, then `watch` again. */
  due(): void;
  machineFailed(error: unknown): void;
}

interface Standing {
  readonly of: SnapshotFrom<typeof subscriptionMachine>;
  readonly isHeld: boolean;
  readonly isSuspended: boolean;
}

/** The machine of one subscription, and the one timer that looks at its deadline. It executes nothing: what the machine decides goes to `decided`. */
export class LeaseKeeper {
  readonly #context: SubscriptionContextOf;
  readonly #path: string;
  readonly #on: LeaseKeeperOwner;
  #machine: LightRef<typeof subscriptionMachine>;
  #decisions: SubscriptionEmitted[] = [];
  #timer: unknown = null;
  #timerAt = Number.POSITIVE_INFINITY;
  #stopped = false;
  #known: Standing | null = null;

  constructor(context: SubscriptionContextOf, path: string, state: SubscriptionState, on: LeaseKeeperOwner) {
    this.#context = context;
    this.#path = path;
    this.#on = on;
    this.#machine = this.#start(state);
  }
  get state(): "quarantined" | "vacant" | "leased" | "revoking" {
    const { value } = this.#machine.getSnapshot();
    return typeof value === "string" ? (value as "vacant") : "leased";
  }
  get isHeld(): boolean {
    return !this.#stopped && this.#standing().isHeld;
  }
  get isSuspended(): boolean {
    return this.#standing().isSuspended;
  }
  /** What the machine's snapshot says, looked up once for each: it is asked with every settle, and changes with a lease. */
  #standing(): Standing {
    const of = this.#machine.getSnapshot();
    if (this.#known?.of === of) return this.#known;
    this.#known = { of, isHeld: isHeld(of), isSuspended: of.matches({ leased: "suspended" }) };
    return this.#known;
  }
  get epoch() {
    return this.#machine.getSnapshot().context.epoch;
  }
  get holder(): Holder | null {
    return this.#stopped ? null : this.#machine.getSnapshot().context.holder;
  }
  get deadline(): number {
    return this.#machine.getSnapshot().context.deadline;
  }
  get renewUntil(): number {
    return this.#machine.getSnapshot().context.renewUntil;
  }
  /** What is left of the lease, ms. */
  get leftMs(): number {
    return Math.max(0, this.deadline - this.#context.runtime.now());
  }

  /** Sends the machine an event and has executed what it decided. */
  tell(event: SubscriptionEvent): void {
    if (this.#stopped) return;
    this.#machine.send(event);
    const decisions = this.#decisions;
    if (decisions.length > 0) {
      this.#decisions = [];
      for (const decision of decisions) this.#on.decided(decision);
    }
    this.watch();
  }
  /** Begins again from what is stored, as after a restart. */
  restart(state: SubscriptionState): void {
    this.stop();
    this.#stopped = false;
    this.#machine = this.#start(state);
  }
  stop(): void {
    this.#stopped = true;
    this.#decisions = [];
    this.#context.actors.stop(this.#path);
    this.#clearTimer();
  }

  #start(state: SubscriptionState): LightRef<typeof subscriptionMachine> {
    const { runtime, actors } = this.#context;
    const machine = actors.startLight(
      { kind: "subscription", path: this.#path, failed: (error) => this.#on.machineFailed(error) },
      subscriptionMachine,
      {
        epoch: state.epoch,
        firstEpoch: epoch(Math.max(1, Math.floor(runtime.wallNow() / 1000))),
        recorded: state.lease,
        at: runtime.now(),
      },
    );
    machine.on("*", (decision) => this.#decisions.push(decision));
    this.#machine = machine;
    this.watch();
    return machine;
  }
  /** One timer per lease, not per renewal: when it fires it looks at the deadline as it is then. */
  watch(): void {
    const { runtime } = this.#context;
    if (this.holder === null) {
      this.#clearTimer();
      return;
    }
    const { deadline } = this;
    if (this.#timer !== null && this.#timerAt <= deadline) return;
    this.#clearTimer();
    this.#timerAt = deadline;
    this.#timer = runtime.setTimeout(
      () => {
        this.#timer = null;
        this.#on.due();
      },
      Math.max(0, deadline - runtime.now()),
    );
  }
  #clearTimer(): void {
    if (this.#timer !== null) this.#context.runtime.clearTimeout(this.#timer);
    this.#timer = null;
  }
}
