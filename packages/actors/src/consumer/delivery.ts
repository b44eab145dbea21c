import type { Message } from "../message/message.ts";
import type { Attempt, AttemptContext, AttemptEnd, Outcome } from "./attempt.ts";
import type { Delivery } from "./consumer-api.ts";

export type AnyHandler = (message: Message<unknown>, context: AttemptContext) => unknown;

/** An attempt in the hands of whoever took it: ends when they say how, or when its time or its lease is over. */
export class TakenDelivery implements Delivery<unknown, AttemptContext> {
  readonly message: Message<unknown>;
  readonly context: AttemptContext;
  readonly #attempt: Attempt;
  /** How it ended; rejects with why when it was not acked. */
  readonly #outcome: Promise<{ readonly outcome: Outcome; readonly error: unknown }>;
  #taken = false;
  #handling = false;

  constructor(message: Message<unknown>, context: AttemptContext, attempt: Attempt) {
    this.message = message;
    this.context = context;
    this.#attempt = attempt;
    this.#outcome = new Promise((resolve) => {
      attempt.onOutcome = (outcome, error) => resolve({ outcome, error });
    });
  }
  /** Whether it has been told how it ends. */
  get taken(): boolean {
    return this.#taken;
  }

  async handle(handler: AnyHandler): Promise<Outcome> {
    if (this.#handling || this.#taken) return (await this.#outcome).outcome;
    this.#handling = true;
    try {
      await handler(this.message, this.context);
      this.succeed();
    } catch (error) {
      this.#end("failed", error);
    }
    return (await this.#outcome).outcome;
  }
  ack(): Promise<void> {
    this.succeed();
    return unlessUnread(
      this.#outcome.then(({ outcome, error }) => {
        if (outcome !== "acked") throw error;
      }),
    );
  }
  fail(error: unknown): Promise<void> {
    this.#end("failed", error);
    return unlessUnread(
      this.#outcome.then((ended) => {
        if (ended.outcome === "lost") throw ended.error;
      }),
    );
  }
  /** Acks without asking how that ends. */
  succeed(): void {
    this.#end("done");
  }
  /** Puts it back, as if it had not been taken. */
  release(): void {
    this.#end("released");
  }
  #end(how: AttemptEnd, error?: unknown): void {
    if (this.#taken) return;
    this.#taken = true;
    this.#attempt.end(how, error);
  }
}
/** A rejection that nobody reads ends nothing. */
function unlessUnread<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}
