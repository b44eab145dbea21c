import { DemoError } from "./demo-error.ts";

/** Nothing moves for this long: it hangs. Longer than a lease, a quarantine and every time-out in between, on a machine twenty times as busy as it can be. */
const STALL_MS = 180_000;
/** A wait says what it waits for after the first, and again after each second figure. */
const TOLD_AFTER_MS = 5_000;
const TOLD_EVERY_MS = 15_000;
/** No machine is so slow. */
const HANGS_MS = 900_000;

/** Ends a run that hangs, with a clear word about how far it came. */
export class Watchdog {
  readonly #overallMs: number;
  readonly #started = performance.now();
  #seen = "";
  #movedAt = performance.now();

  constructor(options: { readonly overallMs: number }) {
    this.#overallMs = options.overallMs;
  }
  /** `signs` are whatever changes while things go on. @throws `STALLED` */
  check(signs: Readonly<Record<string, number | string>>): void {
    const now = performance.now();
    const seen = JSON.stringify(signs);
    if (seen !== this.#seen) {
      this.#seen = seen;
      this.#movedAt = now;
    }
    const text = Object.entries(signs)
      .map(([name, value]) => `${name} ${value}`)
      .join(", ");
    if (now - this.#movedAt > STALL_MS)
      throw new DemoError("STALLED", `nothing has moved for ${STALL_MS / 1_000} s: ${text}`);
    if (now - this.#started > this.#overallMs)
      throw new DemoError("STALLED", `not done after ${Math.round(this.#overallMs / 1_000)} s: ${text}`);
  }
}

/**
 * Waits however long `work` takes: a busy machine starts and ends processes slowly. Tells from time to time for whom it waits (`waitingFor`, asked then). Rejects with
 * `STALLED` only after a quarter of an hour.
 */
export async function patiently<T>(
  what: string,
  work: Promise<T>,
  waitingFor: () => readonly string[],
  tell: (text: string) => void,
): Promise<T> {
  const from = performance.now();
  const seconds = (): number => Math.round((performance.now() - from) / 1_000);
  const whom = (): string => waitingFor().join(", ") || "an answer";
  let timer: NodeJS.Timeout;
  const say = (): void => {
    tell(`${what}: ${seconds()} s so far, waiting for ${whom()} (Ctrl-C ends it)`);
    timer = setTimeout(say, TOLD_EVERY_MS);
  };
  timer = setTimeout(say, TOLD_AFTER_MS);
  try {
    return await within(HANGS_MS, what, work);
  } catch (error) {
    if (!(error instanceof DemoError) || error.code !== "STALLED") throw error;
    const remedy = "look what keeps the processors busy, or run with less: --consumers 1 --producers 1 --orders 500";
    throw new DemoError("STALLED", `${error.message}, still waiting for ${whom()}; ${remedy}`);
  } finally {
    clearTimeout(timer);
  }
}

/** Rejects with `STALLED` when `work` takes longer. */
export async function within<T>(ms: number, what: string, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new DemoError("STALLED", `${what} took longer than ${Math.round(ms / 1_000)} s`)),
      ms,
    );
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** `work`, unless the signal fires before it is done. How the work ends after that is of no interest. */
export async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  work.catch(() => {});
  let onAbort = (): void => {};
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason as Error);
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort);
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
