import { type Runtime, systemRuntime } from "@seriatim/actors";

/**
 * The real clock, whose timers can be held up:
 * what a stopped process looks like from inside, for actors that share one process with others.
 */
export class FreezableRuntime implements Runtime {
  readonly #base = systemRuntime();
  readonly #cancelled = new WeakSet<object>();
  #held: (() => void)[] | null = null;

  freeze(): void {
    this.#held ??= [];
  }
  /** Runs what came due meanwhile, in that order. */
  thaw(): void {
    const held = this.#held ?? [];
    this.#held = null;
    for (const run of held) run();
  }
  now(): number {
    return this.#base.now();
  }
  wallNow(): number {
    return this.#base.wallNow();
  }
  setTimeout(fn: () => void, ms: number): unknown {
    const timer: { inner?: unknown } = {};
    const due = (): void => {
      if (!this.#cancelled.has(timer)) fn();
    };
    timer.inner = this.#base.setTimeout(() => this.#orLater(due), ms);
    return timer;
  }
  clearTimeout(id: unknown): void {
    if (typeof id !== "object" || id === null) return;
    this.#cancelled.add(id);
    this.#base.clearTimeout((id as { inner?: unknown }).inner);
  }
  defer(fn: () => void): void {
    this.#base.defer(() => this.#orLater(fn));
  }
  atTurnEnd(fn: () => void): void {
    this.#base.atTurnEnd(() => this.#orLater(fn));
  }
  random(): number {
    return this.#base.random();
  }
  id(): string {
    return this.#base.id();
  }
  #orLater(fn: () => void): void {
    if (this.#held === null) fn();
    else this.#held.push(fn);
  }
}
