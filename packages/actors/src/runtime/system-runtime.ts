import { timersOfAnyDelay } from "./any-delay.ts";
import { type Runtime, randomId } from "./runtime.ts";
import { TurnEnd } from "./turn-end.ts";

/** The real clock and the platform's cryptographic randomness: the one place that touches them. */
export function systemRuntime(): Runtime {
  const words = new Uint32Array(256);
  let next = words.length;
  const random = (): number => {
    if (next === words.length) {
      crypto.getRandomValues(words);
      next = 0;
    }
    return (words[next++] as number) / 2 ** 32;
  };
  const turnEnd = new TurnEnd();
  const now = () => performance.now();
  return {
    now,
    wallNow: () => Date.now(),
    ...timersOfAnyDelay({
      now,
      setTimeout: (fn, ms) => setTimeout(fn, ms),
      clearTimeout: (id) => clearTimeout(id as ReturnType<typeof setTimeout>),
    }),
    defer: (fn) => queueMicrotask(fn),
    atTurnEnd: (fn) => turnEnd.add(fn),
    random,
    id: () => randomId(random),
  };
}
