/**
 * The one source of time, randomness and ids. Everything in the framework takes them
 * from here and from nowhere else, so that a simulation that passes its own `Runtime`
 * is deterministic. XState's `clock` is the same object (`setTimeout`, `clearTimeout`).
 */
export interface Runtime {
  /** Monotonic time of this process in ms, with fraction. Never persisted and never sent (rule 13). */
  now(): number;
  /** Wall-clock time in ms since 1970; may jump either way. For persisted deadlines and for people. */
  wallNow(): number;
  /**
   * Takes any delay, also one longer than the platform's timers
   * can wait; 0 and less: as soon as possible, `Infinity`: never.
   */
  setTimeout(fn: () => void, ms: number): unknown;
  clearTimeout(id: unknown): void;
  /** Runs `fn` once the code running now, and what it has already queued, is done; before any timer or I/O. */
  defer(fn: () => void): void;
  /**
   * Runs `fn` at the end of the present turn of the event loop: once what is ready
   * now has been dealt with, I/O that can be read included, and before the loop
   * sleeps. What piles up meanwhile goes out together; nothing waits for more.
   */
  atTurnEnd(fn: () => void): void;
  /** Uniform in [0, 1). */
  random(): number;
  /** A new unique id: 20 characters of `0-9a-z`, 100 bits. */
  id(): string;
}

/** An id of 20 characters drawn from `random`: what a `Runtime` without a source of its own uses. */
export function randomId(random: () => number): string {
  let id = "";
  for (let part = 0; part < 4; part++)
    id += Math.floor(random() * 36 ** 5)
      .toString(36)
      .padStart(5, "0");
  return id;
}
