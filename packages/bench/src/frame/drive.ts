import type { Message } from "./message.ts";
import { OutgoingMessages } from "./outgoing.ts";
import type { Load, Sender } from "./system.ts";

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const TURN_MESSAGES = 256;
const ERRORS_MAX = 10;

/** Waits until a message may be sent for reasons of its own. */
type HoldBack = (nth: number, allAcknowledged: () => Promise<void>) => Promise<void>;

/** Sends the messages of a load, round the keys, as fast as the window or as often as the rate says. */
export class Driver {
  readonly #load: Load;
  readonly #sender: Pick<Sender, "send">;
  readonly #messages: OutgoingMessages;
  #errors: string[] = [];
  #inFlight = 0;
  #wake: (() => void) | undefined;
  #wakeAt = 0;

  /** @param acknowledged hears of each message, where a row asks for it */
  constructor(load: Load, sender: Pick<Sender, "send">, acknowledged?: (message: Message) => void) {
    this.#load = load;
    this.#sender = sender;
    this.#messages = new OutgoingMessages(load, (message, error) => {
      if (error !== undefined && this.#errors.length < ERRORS_MAX) this.#errors.push(String(error));
      acknowledged?.(message);
      this.#inFlight -= 1;
      if (this.#inFlight <= this.#wakeAt) {
        this.#wake?.();
        this.#wake = undefined;
      }
    });
  }
  /** Sends from one message up to, not including, another. Resolves when all are acknowledged. @returns the errors */
  async send(from: number, to: number, holdBack?: HoldBack): Promise<readonly string[]> {
    const { perSecond, standing, window } = this.#load;
    this.#errors = [];
    const startedMs = performance.now();
    for (let nth = from; nth < to; nth++) {
      if (perSecond > 0) {
        const waitMs = startedMs + ((nth - from) * 1000) / perSecond - performance.now();
        if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
      }
      // Sockets are read between turns, not only when the window is full.
      else if (nth % TURN_MESSAGES === TURN_MESSAGES - 1) await nextTurn();
      if (holdBack !== undefined && nth >= standing) await holdBack(nth, () => this.#atMost(0));
      if (this.#inFlight >= window) await this.#atMost(window - 1);
      const message = this.#messages.take(nth);
      this.#inFlight += 1;
      this.#sender.send(message);
    }
    await this.#atMost(0);
    return this.#errors;
  }
  /** Resolves when no more than so many are in flight. */
  #atMost(count: number): Promise<void> {
    this.#wakeAt = count;
    return this.#inFlight <= count
      ? Promise.resolve()
      : new Promise((resolve) => {
          this.#wake = resolve;
        });
  }
}
