import { type Message, nowMs, type Outgoing, stampBody } from "./message.ts";
import { type Load, sentOf } from "./system.ts";

type Reused = { -readonly [Part in keyof Outgoing]: Outgoing[Part] };

/**
 * The messages of a load, one for each that can be in flight, made before anything is timed:
 * a send only writes into it which one it is.
 */
export class OutgoingMessages {
  readonly #idle: Reused[] = [];
  readonly #keys: number;
  /** Only rows that ask how long a message took look at the clock for each. */
  readonly #timed: boolean;

  /** @param settled hears of each, with an error when it was not acknowledged */
  constructor(load: Load, settled: (message: Message, error?: unknown) => void) {
    this.#keys = load.keys;
    this.#timed = load.perSecond > 0 || load.repeats;
    const count = Math.min(load.window, sentOf(load));
    while (this.#idle.length < count) {
      const buffer = Buffer.alloc(load.bytes);
      const body = new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length);
      const end = (error?: unknown): void => {
        settled(message, error);
        this.#idle.push(message);
      };
      const message: Reused = {
        key: 0,
        n: 0,
        sentAtMs: 0,
        body,
        buffer,
        acknowledged: () => end(),
        failed: (error) => end(error ?? new Error("failed without an error")),
      };
      this.#idle.push(message);
    }
  }
  /** The nth message of the load, round the keys. @throws RangeError when more are in flight than the window has */
  take(nth: number): Outgoing {
    const message = this.#idle.pop();
    if (message === undefined) throw new RangeError("expected no more in flight than the window, found one more");
    message.key = nth % this.#keys;
    message.n = Math.floor(nth / this.#keys);
    if (this.#timed) message.sentAtMs = nowMs();
    stampBody(message.body, message);
    return message;
  }
}
