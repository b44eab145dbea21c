import { ProgramError, within } from "@seriatim/rig";

/**
 * Nothing moves for this long: it hangs.
 * Longer than a lease, a quarantine and every time-out in between, on a machine twenty times as busy as it can be.
 */
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
      throw new ProgramError("STALLED", `nothing has moved for ${STALL_MS / 1_000} s: ${text}`);
    if (now - this.#started > this.#overallMs)
      throw new ProgramError("STALLED", `not done after ${Math.round(this.#overallMs / 1_000)} s: ${text}`);
  }
}

/**
 * Waits however long `work` takes: a busy machine starts and ends processes slowly. Tells from time to time
 * for whom it waits (`waitingFor`, asked then). Rejects with `STALLED` only after a quarter of an hour.
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
    if (!(error instanceof ProgramError) || error.code !== "STALLED") throw error;
    const remedy = "look what keeps the processors busy, or run with less: --consumers 1 --producers 1 --orders 500";
    throw new ProgramError("STALLED", `${error.message}, still waiting for ${whom()}; ${remedy}`);
  } finally {
    clearTimeout(timer);
  }
}
