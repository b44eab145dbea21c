import type { Instant } from "../link/heartbeats.ts";
import type { Runtime } from "../runtime/runtime.ts";

/** The share of its TTL that a holder uses: the rest is for clocks that run at different speeds. */
const USABLE = 0.9;
/**
 * Less than this counts as nothing: added to a clock's reading
 * it may not change it, and who waits for it waits for ever.
 */
const TICK_MS = 0.001;

export const instant = (runtime: Runtime): Instant => ({ now: runtime.now(), wallNow: runtime.wallNow() });

/**
 * How long this process may still act on a lease. It counts from when the request (or beat) was *sent*, on the clock
 * that shows more time gone, so that the holder always stops before the broker lets another in; a suspended process
 * finds its lease over. Once over, it stays over (rule 14).
 *
 * ```
 *   sent ─────── half: late ─────────────── 90 %: over ── TTL: another may hold it
 * ```
 */
export class LeaseClock {
  readonly #runtime: Runtime;
  #sent: Instant = { now: 0, wallNow: 0 };
  #ttlMs = 0;
  #over = true;

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }
  /** A new grant. @param ttlMs `Infinity` where there is no lease */
  grant(sent: Instant, ttlMs: number): void {
    this.#sent = sent;
    this.#ttlMs = ttlMs;
    this.#over = false;
  }
  /** A beat was answered. What was over before the answer came stays over. */
  renew(sent: Instant, ttlMs: number): void {
    if (this.over || sent.now < this.#sent.now) return;
    this.#sent = sent;
    this.#ttlMs = ttlMs;
  }
  end(): void {
    this.#over = true;
  }
  /** Reads both clocks. */
  get over(): boolean {
    return this.overAt(this.#runtime.now());
  }
  /** With the monotonic clock just read: reads the other. */
  overAt(now: number): boolean {
    if (!this.#over && this.#elapsedMs(now) > this.#ttlMs * USABLE - TICK_MS) this.#over = true;
    return this.#over;
  }
  /** Less than half of the TTL is left: renew before anything starts. */
  get late(): boolean {
    return this.#elapsedMs(this.#runtime.now()) > this.#ttlMs / 2;
  }
  /** Until the holder's own deadline; 0 when it is over. */
  get remainingMs(): number {
    return this.over ? 0 : this.#ttlMs * USABLE - this.#elapsedMs(this.#runtime.now());
  }
  #elapsedMs(now: number): number {
    const { now: sentAt, wallNow: sentAtWall } = this.#sent;
    return Math.max(now - sentAt, this.#runtime.wallNow() - sentAtWall, 0);
  }
}
