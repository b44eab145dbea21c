import { DURATION_MS_MAX } from "../message/duration.ts";
import type { Runtime } from "./runtime.ts";

type Timers = Pick<Runtime, "setTimeout" | "clearTimeout">;
class LongTimer {
  leg: unknown = null;
}

/**
 * Timers that take any delay, from ones that take `DURATION_MS_MAX` at most (and fire at once for more): a longer one
 * is waited for a leg at a time, `Infinity` for ever.
 */
export function timersOfAnyDelay(platform: Timers & Pick<Runtime, "now">): Timers {
  const arm = (timer: LongTimer, fn: () => void, due: number): void => {
    const left = due - platform.now();
    timer.leg =
      left > DURATION_MS_MAX
        ? platform.setTimeout(() => arm(timer, fn, due), DURATION_MS_MAX)
        : platform.setTimeout(fn, left);
  };
  return {
    setTimeout(fn, ms) {
      if (!(ms > DURATION_MS_MAX)) return platform.setTimeout(fn, ms);
      const timer = new LongTimer();
      if (ms !== Number.POSITIVE_INFINITY) arm(timer, fn, platform.now() + ms);
      return timer;
    },
    clearTimeout(id) {
      platform.clearTimeout(id instanceof LongTimer ? id.leg : id);
    },
  };
}
