import { macrotask } from "./macrotask.ts";
import { seededRandom } from "./random.ts";
import { type Runtime, randomId } from "./runtime.ts";
import { TurnEnd } from "./turn-end.ts";

/** A `Runtime` whose clock moves only when it is told to. XState's `clock` too. */
export interface SimulatedRuntime extends Runtime {
  /**
   * Lets `ms` pass: timers run in the order of (due, when they were set), and everything each of them set off has run
   * before the next one.
   */
  advance(ms: number): Promise<void>;
  /** Lets everything run that waits for no timer. Same as `advance(0)` without the timers that are due now. */
  settle(): Promise<void>;
  /**
   * Advances from timer to timer until `promise` has ended, and ends the same way. Rejects when that takes longer
   * than `withinMs` of virtual time, or when there is no timer left that could make it happen. @default 3_600_000
   */
  run<T>(promise: PromiseLike<T>, withinMs?: number): Promise<T>;
  /** Moves the wall clock against the monotonic one, either way. */
  jumpWallClock(ms: number): void;
  /** Timers that wait. */
  readonly timers: number;
}

interface Timer {
  readonly fn: () => void;
  readonly due: number;
  readonly order: number;
  live: boolean;
}

export interface SimulatedRuntimeOptions {
  /** Decides randomness and ids. */
  readonly seed: number;
  /** What the wall clock shows at first, ms since 1970. @default 2026-01-01T00:00:00Z */
  readonly wallNow?: number;
}

/** A clock, timers, randomness and ids of its own: same seed and same calls, same run. */
export function simulatedRuntime(options: SimulatedRuntimeOptions): SimulatedRuntime {
  const random = seededRandom(options.seed);
  const timers = new TimerHeap();
  let now = 0;
  let wallAhead = options.wallNow ?? 1_767_225_600_000;
  let order = 0;
  let live = 0;

  const turnEnd = new TurnEnd();
  /** Lets everything run that was set off: what is left for the end of the turn, and what that sets off. */
  const endTurn = async (): Promise<void> => {
    do await macrotask();
    while (!turnEnd.isOver);
  };
  const fire = async (timer: Timer): Promise<void> => {
    now = Math.max(now, timer.due);
    timer.live = false;
    live--;
    timer.fn();
    await endTurn();
  };
  const next = (): Timer | undefined => {
    for (let timer = timers.peek(); timer !== undefined; timer = timers.peek()) {
      if (timer.live) return timer;
      timers.pop();
    }
    return undefined;
  };

  return {
    now: () => now,
    wallNow: () => wallAhead + now,
    setTimeout(fn, ms) {
      const timer: Timer = { fn, due: now + (ms > 0 ? ms : 0), order: order++, live: true };
      live++;
      timers.push(timer);
      return timer;
    },
    clearTimeout(id) {
      const timer = id as Timer | undefined;
      if (timer?.live !== true) return;
      timer.live = false;
      live--;
    },
    defer: (fn) => void Promise.resolve().then(fn),
    atTurnEnd: (fn) => turnEnd.add(fn),
    random,
    id: () => randomId(random),
    async advance(ms) {
      const until = now + ms;
      await endTurn();
      for (let timer = next(); timer !== undefined && timer.due <= until; timer = next()) {
        timers.pop();
        await fire(timer);
      }
      now = until;
    },
    settle: endTurn,
    async run(promise, withinMs = 3_600_000) {
      let ended = false;
      const mark = () => {
        ended = true;
      };
      promise.then(mark, mark);
      const from = now;
      const until = now + withinMs;
      await endTurn();
      while (!ended) {
        const timer = next();
        if (timer === undefined || timer.due > until)
          throw new Error(
            `waited ${now - from} virtual ms for a promise, and ${timer === undefined ? "no timer is left" : `the next timer is due past ${withinMs} ms`}`,
          );
        timers.pop();
        await fire(timer);
      }
      return promise;
    },
    jumpWallClock(ms) {
      wallAhead += ms;
    },
    get timers() {
      return live;
    },
  };
}

/** A binary heap in the order of (due, order). */
class TimerHeap {
  readonly #heap: Timer[] = [];

  peek(): Timer | undefined {
    return this.#heap[0];
  }
  push(timer: Timer): void {
    const heap = this.#heap;
    let at = heap.push(timer) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (before(heap[parent]!, timer)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = timer;
  }
  pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++;
      if (before(last, heap[child]!)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
  }
}
const before = (a: Timer, b: Timer): boolean => a.due < b.due || (a.due === b.due && a.order < b.order);
