import type { Link } from "../transport/transport.ts";

/** Bytes waiting on a link above which deliveries pause; they go on at a quarter of it. */
const CONGESTED_BYTES = 1024 * 1024;

/** What waits on one link, for those who hold back until it has drained. */
export class Drain {
  readonly #link: Pick<Link, "whenDrained">;
  readonly #waitingBytes: () => number;
  readonly #congestedBytes: number;
  #resumes: (() => void)[] = [];
  #isAwaited = false;

  constructor(link: Pick<Link, "whenDrained">, waitingBytes: () => number, congestedBytes = CONGESTED_BYTES) {
    this.#link = link;
    this.#waitingBytes = waitingBytes;
    this.#congestedBytes = congestedBytes;
  }
  get congested(): boolean {
    return this.#waitingBytes() > this.#congestedBytes;
  }
  whenDrained(resume: () => void): void {
    this.#resumes.push(resume);
    if (this.#isAwaited) return;
    this.#isAwaited = true;
    this.#link.whenDrained(this.#congestedBytes / 4, this.#onDrained);
  }
  readonly #onDrained = (): void => {
    this.#isAwaited = false;
    const resumes = this.#resumes;
    this.#resumes = [];
    for (const resume of resumes) resume();
  };
  stop(): void {
    this.#resumes = [];
  }
}
