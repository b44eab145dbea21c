import type { Ask, Limited, TopicFind } from "../protocol/frames.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { TokenBucket } from "../runtime/token-bucket.ts";

/** What can wait: questions, whose order among what else is sent says nothing. */
export type Paced = Ask | TopicFind;
/** How often those that wait are looked at, ms; as much may go at once. */
const LOOK_MS = 100;

/**
 * The questions of one link. They go at once, until the broker says that the link sends more than it allows: then they
 * wait here for as long as it says, and go on no faster than it says, so that what must not wait (heartbeats, settles)
 * does not stand behind them. It ends once none has had to wait for a while.
 */
export class Pace {
  readonly #runtime: Runtime;
  readonly #send: (frame: Paced) => void;
  #bucket: TokenBucket | null = null;
  #from = 0;
  #waiting: Paced[] = [];
  #timer: unknown = null;

  constructor(runtime: Runtime, send: (frame: Paced) => void) {
    this.#runtime = runtime;
    this.#send = send;
  }
  push(frame: Paced): void {
    if (this.#bucket === null) this.#send(frame);
    else this.#waiting.push(frame);
  }
  slowDown({ max, retryInMs }: Limited): void {
    this.#from = Math.max(this.#from, this.#runtime.now() + retryInMs);
    this.#bucket = new TokenBucket(this.#runtime, max, Math.max(1, (max * LOOK_MS) / 1_000));
    this.#timer ??= this.#runtime.setTimeout(this.#look, LOOK_MS);
  }
  stop(): void {
    if (this.#timer !== null) this.#runtime.clearTimeout(this.#timer);
    this.#waiting = [];
  }
  readonly #look = (): void => {
    this.#timer = null;
    const isLate = this.#runtime.now() < this.#from;
    let sent = 0;
    if (!isLate)
      while (sent < this.#waiting.length && this.#bucket?.tryTake(1) === true)
        this.#send(this.#waiting[sent++] as Paced);
    this.#waiting = this.#waiting.slice(sent);
    if (!isLate && sent === 0 && this.#waiting.length === 0) this.#bucket = null;
    else this.#timer = this.#runtime.setTimeout(this.#look, LOOK_MS);
  };
}
