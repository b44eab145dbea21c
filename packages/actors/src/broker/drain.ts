import type { Runtime } from "../runtime/runtime.ts";

/** Bytes waiting on a link above which deliveries pause. */
const CONGESTED_BYTES = 1024 * 1024;
/** And below which they go on. */
const DRAINED_BYTES = CONGESTED_BYTES / 4;
const LOOK_MS = 5;

/** Watches what waits on one link, for those who hold back until it has drained. */
export class Drain {
  readonly #runtime: Runtime;
  readonly #waitingBytes: () => number;
  readonly #resumes: (() => void)[] = [];
  #timer: unknown = null;

  constructor(runtime: Runtime, waitingBytes: () => number) {
    this.#runtime = runtime;
    this.#waitingBytes = waitingBytes;
  }
  get congested(): boolean {
    return this.#waitingBytes() > CONGESTED_BYTES;
  }
  whenDrained(resume: () => void): void {
    this.#resumes.push(resume);
    this.#timer ??= this.#runtime.setTimeout(this.#look, LOOK_MS);
  }
  readonly #look = (): void => {
    this.#timer = null;
    if (this.#waitingBytes() > DRAINED_BYTES) {
      this.#timer = this.#runtime.setTimeout(this.#look, LOOK_MS);
      return;
    }
    for (const resume of this.#resumes.splice(0)) resume();
  };
  stop(): void {
    if (this.#timer !== null) this.#runtime.clearTimeout(this.#timer);
    this.#resumes.length = 0;
  }
}
