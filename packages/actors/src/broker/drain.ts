import type { Link } from "../contracts/transport.ts";

/** Bytes waiting on a link above which deliveries pause. Who holds back goes on at a quarter of its bound. */
export const CONGESTED_BYTES = 1024 * 1024;

/** What of a session's `FrameBatcher` this needs. */
interface Waiting {
  readonly bufferedBytes: number;
  flush(): void;
}

/** What waits on one link, for those who hold back until it has drained. */
export class Drain {
  readonly #link: Pick<Link, "whenDrained">;
  readonly #waiting: () => Waiting | null;
  readonly #failed: (error: unknown) => void;
  readonly #congestedBytes: number;
  #resumes: (() => void)[] = [];
  #isAwaited = false;

  /**
   * `waiting`: what is to go over the link, and on it. `failed`: one of those who held back threw when it was to go
   * on.
   */
  constructor(
    link: Pick<Link, "whenDrained">,
    waiting: () => Waiting | null,
    failed: (error: unknown) => void,
    congestedBytes = CONGESTED_BYTES,
  ) {
    this.#link = link;
    this.#waiting = waiting;
    this.#failed = failed;
    this.#congestedBytes = congestedBytes;
  }
  get congested(): boolean {
    return (this.#waiting()?.bufferedBytes ?? 0) > this.#congestedBytes;
  }
  whenDrained(resume: () => void): void {
    this.#resumes.push(resume);
    if (this.#isAwaited) return;
    this.#isAwaited = true;
    // the link knows only of what it was handed: what waits for the end of the turn would keep us congested while it
    // says again and again that it has drained
    this.#waiting()?.flush();
    this.#link.whenDrained(this.#congestedBytes / 4, this.#onDrained);
  }
  readonly #onDrained = (): void => {
    this.#isAwaited = false;
    const resumes = this.#resumes;
    this.#resumes = [];
    for (const resume of resumes)
      try {
        resume();
      } catch (error) {
        this.#failed(error); // the others go on
      }
  };
  stop(): void {
    this.#resumes = [];
  }
}
