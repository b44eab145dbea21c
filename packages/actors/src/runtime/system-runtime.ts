import { type Runtime, randomId } from "./runtime.ts";

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
  return {
    now: () => performance.now(),
    wallNow: () => Date.now(),
    setTimeout: (fn, ms) => setTimeout(fn, ms),
    clearTimeout: (id) => clearTimeout(id as ReturnType<typeof setTimeout>),
    defer: (fn) => queueMicrotask(fn),
    random,
    id: () => randomId(random),
  };
}
