import { createLogUpdate } from "log-update";

const PLAIN_EVERY_MS = 10_000;
const LIVE_EVERY_MS = 200;

/** A live line on a terminal; elsewhere a plain one every 10 s. */
export class View {
  readonly #out: NodeJS.WriteStream;
  readonly #update: ReturnType<typeof createLogUpdate> | null;
  #shownAt: number;

  constructor(out: NodeJS.WriteStream) {
    this.#out = out;
    this.#update = out.isTTY ? createLogUpdate(out) : null;
    this.#shownAt = performance.now();
  }
  /** A line that stays. */
  say(text: string): void {
    this.#update?.clear();
    this.#out.write(`${text}\n`);
  }
  show(line: () => string): void {
    const now = performance.now();
    if (now - this.#shownAt < (this.#update === null ? PLAIN_EVERY_MS : LIVE_EVERY_MS)) return;
    this.#shownAt = now;
    if (this.#update === null) this.#out.write(`${line()}\n`);
    else this.#update(line());
  }
  close(): void {
    this.#update?.clear();
    this.#update?.done();
  }
}
