import { DemoError } from "./demo-error.ts";

/** Nothing moves for this long: it hangs. Longer than a lease, a quarantine and every time-out in between. */
const STALL_MS = 45_000;

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
