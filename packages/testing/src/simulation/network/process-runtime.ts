import type { Runtime } from "@seriatim/actors/client";
import { randomId, type SimulatedRuntime } from "@seriatim/actors/internals";

interface Timer {
  readonly fn: () => void;
  /** In this process's monotonic time. */
  readonly due: number;
  inner: unknown;
  live: boolean;
}
interface Frozen {
  readonly since: number;
  /** A suspended machine, not a stopped process: its monotonic clock stands still too. */
  readonly clockStops: boolean;
  readonly timers: (() => void)[];
  readonly deliveries: (() => void)[];
}

/** Less than the clock can show of a moment: what is due after so little would be due before any time has passed. */
const TICK_MS = 0.001;
/** Steps in one instant of virtual time at which a process counts as turning in a circle. */
const STEPS_AT_ONCE_MAX = 50_000;

/**
 * The time of one simulated process: the virtual clock they all share, as this one sees it. It can be frozen (timers
 * and deliveries are held and run when it
 * wakes), its wall clock can jump, and it can be killed: nothing of it runs any more, for ever.
 */
export class ProcessRuntime implements Runtime {
  readonly #base: SimulatedRuntime;
  readonly #random: () => number;
  readonly #onCrash: (error: unknown) => void;
  #wallAhead: number;
  /** How far the monotonic clock has fallen behind while it stood still. */
  #behind = 0;
  #frozen: Frozen | null = null;
  #dead = false;
  #steps = 0;
  #stepsAt = -1;

  constructor(options: {
    readonly base: SimulatedRuntime;
    readonly random: () => number;
    readonly wallAheadMs: number;
    /** Something that nobody catches was thrown: a real process would have ended here. */
    readonly onCrash: (error: unknown) => void;
  }) {
    this.#base = options.base;
    this.#random = options.random;
    this.#wallAhead = options.wallAheadMs;
    this.#onCrash = options.onCrash;
  }

  get isFrozen(): boolean {
    return this.#frozen !== null;
  }
  get isDead(): boolean {
    return this.#dead;
  }
  now(): number {
    const frozen = this.#frozen;
    return (frozen?.clockStops === true ? frozen.since : this.#base.now()) - this.#behind;
  }
  wallNow(): number {
    return this.#base.wallNow() + this.#wallAhead;
  }
  setTimeout(fn: () => void, ms: number): unknown {
    const timer: Timer = { fn, due: this.now() + (ms > 0 ? Math.max(ms, TICK_MS) : 0), inner: null, live: true };
    this.#arm(timer);
    return timer;
  }
  clearTimeout(id: unknown): void {
    const timer = id as Timer | null | undefined;
    if (timer == null) return;
    timer.live = false;
    this.#base.clearTimeout(timer.inner);
  }
  defer(fn: () => void): void {
    this.#base.defer(() => this.deliver(fn));
  }
  atTurnEnd(fn: () => void): void {
    this.#base.atTurnEnd(() => this.deliver(fn));
  }
  random(): number {
    return this.#random();
  }
  id(): string {
    return randomId(this.#random);
  }

  /** Runs what came from outside: at once, when the process wakes, or never. */
  deliver(fn: () => void): void {
    if (this.#dead) return;
    if (this.#frozen !== null) this.#frozen.deliveries.push(fn);
    else this.#run(fn);
  }
  jumpWallClock(ms: number): void {
    this.#wallAhead += ms;
  }
  get wallAheadMs(): number {
    return this.#wallAhead;
  }
  freeze(options: { readonly clockStops: boolean }): void {
    this.#frozen ??= { since: this.#base.now(), clockStops: options.clockStops, timers: [], deliveries: [] };
  }
  /**
   * Wakes it. What was held runs now, each in a turn of its own; a process that was stopped may be served its sockets
   * before its timers.
   */
  thaw(options: { readonly deliveriesFirst: boolean }): void {
    const frozen = this.#frozen;
    if (frozen === null) return;
    this.#frozen = null;
    if (frozen.clockStops) this.#behind += this.#base.now() - frozen.since;
    const { timers, deliveries } = frozen;
    const held = options.deliveriesFirst ? [...deliveries, ...timers] : [...timers, ...deliveries];
    for (const fn of held) this.#base.setTimeout(() => this.deliver(fn), 0);
  }
  kill(): void {
    this.#dead = true;
    this.#frozen = null;
  }

  #arm(timer: Timer): void {
    timer.inner = this.#base.setTimeout(() => this.#fire(timer), timer.due - this.now());
  }
  #fire(timer: Timer): void {
    if (this.#dead || !timer.live) return;
    if (this.#frozen !== null) {
      this.#frozen.timers.push(() => this.#fire(timer));
      return;
    }
    if (this.now() < timer.due - 1e-6) {
      this.#arm(timer); // its clock stood still for a while
      return;
    }
    timer.live = false;
    this.#run(timer.fn);
  }
  #run(fn: () => void): void {
    const now = this.#base.now();
    if (now !== this.#stepsAt) this.#steps = 0;
    this.#stepsAt = now;
    if (++this.#steps > STEPS_AT_ONCE_MAX) {
      this.kill();
      this.#onCrash(new Error("it turns in a circle: it never waits, and gets nowhere"));
      return;
    }
    try {
      fn();
    } catch (error) {
      this.#onCrash(error);
    }
  }
}
