import { Arrivals, expectedOf } from "../frame/arrivals.ts";
import { Latencies } from "../frame/latency.ts";
import { type Message, nowMs } from "../frame/message.ts";
import { Pieces } from "../frame/pieces.ts";
import type { Load } from "../frame/system.ts";
import type { Observed, Passage } from "../frame/talk.ts";

/** Long enough for a repetition that is under way to show. */
const AFTERWARDS_MS = 50;

/** The handler's side: what arrived, when, and how long it took. */
export class Handled {
  readonly #arrivals: Arrivals;
  /** One of several consumers cannot judge alone what it was to get. */
  readonly #pieces: Pieces | undefined;
  readonly #passages: Passage[] = [];
  readonly #latencies = new Latencies();
  readonly #load: Load;
  /** Resolves when as many as the warm-up has have been taken. */
  readonly warm: Promise<void>;
  readonly all: Promise<void>;
  #count = 0;
  #firstAtMs: number | undefined;
  #measuredAtMs = 0;
  #warmUpHandled = (): void => {};
  #allHandled = (): void => {};

  constructor(load: Load) {
    this.#load = load;
    this.#arrivals = new Arrivals(expectedOf(load));
    this.#pieces = load.consumers > 1 ? new Pieces() : undefined;
    this.warm = new Promise((resolve) => {
      this.#warmUpHandled = resolve;
    });
    if (load.warmUp === 0) this.#warmUpHandled();
    this.all = new Promise((resolve) => {
      this.#allHandled = resolve;
    });
  }
  get count(): number {
    return this.#count;
  }
  get pieces(): Pieces | undefined {
    return this.#pieces;
  }
  readonly take = (message: Message): void => {
    const { perSecond, keys, warmUp, standing, messages, repeats } = this.#load;
    this.#count += 1;
    if (this.#count === 1) this.#firstAtMs = nowMs();
    if (this.#count === warmUp) this.#warmUpHandled();
    if (repeats) this.#passages.push([message.sentAtMs, nowMs()]);
    if (this.#pieces !== undefined) {
      this.#pieces.take(message);
      return;
    }
    this.#arrivals.take(message);
    if (perSecond > 0 && message.n * keys + message.key >= warmUp) this.#latencies.note(nowMs() - message.sentAtMs);
    if (standing > 0 && this.#count === warmUp + messages) this.#measuredAtMs = nowMs();
    if (this.#arrivals.complete) this.#allHandled();
  };
  async verdict(): Promise<readonly string[]> {
    await new Promise((resolve) => setTimeout(resolve, AFTERWARDS_MS));
    return this.#pieces === undefined ? this.#arrivals.verdict() : [];
  }
  get observed(): Observed {
    const { perSecond, standing, repeats } = this.#load;
    return {
      ...(this.#firstAtMs === undefined ? {} : { firstAtMs: this.#firstAtMs }),
      ...(perSecond > 0 && this.#pieces === undefined ? { latency: this.#latencies.latency } : {}),
      ...(standing > 0 ? { measuredAtMs: this.#measuredAtMs } : {}),
      ...(this.#pieces === undefined ? {} : { pieces: this.#pieces.list }),
      ...(repeats ? { passages: this.#passages, again: this.#arrivals.again } : {}),
    };
  }
}
