import { Observable, type Subscriber } from "rxjs";
import { MessagingError, optionInvalid } from "../message/errors.ts";
import type { Message } from "../message/message.ts";
import { quoted } from "../message/text.ts";
import type { Attempt, AttemptContext } from "./attempt.ts";
import { type AnyHandler, TakenDelivery } from "./delivery.ts";

/** What a form answers when the attempt ends later, by what its taker says. */
export const BY_TAKER = Symbol("ended by its taker");

/** One of the three ways to consume: says when it wants a message, and takes it. */
export interface Form {
  /** Whether it would take one now. */
  ready(): boolean;
  /**
   * Takes the message. Gives a promise or nothing, which ends the attempt, or `BY_TAKER`. May throw, as a handler may.
   */
  take(message: Message<unknown>, context: AttemptContext, attempt: Attempt): unknown;
  /** No more will come: the consumer is closed, or has failed for good. */
  end(failure: unknown): void;
}

/** `run`: a handler for all messages, or one per event type. */
export class HandlerForm implements Form {
  readonly #handler: AnyHandler;

  /** @throws `OPTION_INVALID` */
  constructor(handler: unknown) {
    this.#handler = typeof handler === "function" ? (handler as AnyHandler) : byType(handler);
  }
  ready(): boolean {
    return true;
  }
  take(message: Message<unknown>, context: AttemptContext): unknown {
    return this.#handler(message, context);
  }
  end(): void {}
}
function byType(handlers: unknown): AnyHandler {
  if (typeof handlers !== "object" || handlers === null)
    throw optionInvalid("handler", "a function, or an object with one per event type", handlers);
  const known = new Map(Object.entries(handlers));
  for (const [type, handler] of known)
    if (typeof handler !== "function") throw optionInvalid(`handler.${type}`, "a function", handler);
  return (message, context) => {
    const { type } = message.body as { readonly type: string };
    const handler = known.get(type) as AnyHandler | undefined;
    if (handler === undefined)
      throw new MessagingError(
        "SCHEMA_FAILED",
        `no handler for event type ${quoted(String(type))}: expected one of ${[...known.keys()].join(", ")}`,
      );
    return handler(message, context);
  };
}

/** `deliveries$`: what may run now, to one subscriber. */
export class StreamForm implements Form {
  readonly #subscriber: Subscriber<TakenDelivery>;

  constructor(subscriber: Subscriber<TakenDelivery>) {
    this.#subscriber = subscriber;
  }
  ready(): boolean {
    return !this.#subscriber.closed;
  }
  take(message: Message<unknown>, context: AttemptContext, attempt: Attempt): unknown {
    this.#subscriber.next(new TakenDelivery(message, context, attempt));
    return BY_TAKER;
  }
  end(failure: unknown): void {
    if (failure === null) this.#subscriber.complete();
    else this.#subscriber.error(failure);
  }
}
/** One subscription; leaving it closes the consumer. */
export const deliveriesOf = (consume: (form: Form) => void, leave: () => void): Observable<TakenDelivery> =>
  new Observable((subscriber) => {
    try {
      consume(new StreamForm(subscriber));
    } catch (error) {
      subscriber.error(error);
      return undefined;
    }
    return leave;
  });

interface Asked {
  readonly resolve: (result: IteratorResult<TakenDelivery, undefined>) => void;
  readonly reject: (error: unknown) => void;
}
const DONE: IteratorReturnResult<undefined> = { done: true, value: undefined };

/** `for await`: one delivery at a time; asking for the next settles the last, leaving releases it. */
export class LoopForm implements Form, AsyncIterator<TakenDelivery, undefined> {
  readonly #consume: () => void;
  readonly #leave: () => Promise<void>;
  readonly #wanted: () => void;
  #asked: Asked[] = [];
  #current: TakenDelivery | null = null;
  #begun = false;
  #over = false;
  #failure: unknown = null;

  /** `consume` begins; `wanted`: the loop asks for one; `leave` closes the consumer. */
  constructor(consume: () => void, wanted: () => void, leave: () => Promise<void>) {
    this.#consume = consume;
    this.#wanted = wanted;
    this.#leave = leave;
  }
  ready(): boolean {
    return this.#asked.length > 0;
  }
  take(message: Message<unknown>, context: AttemptContext, attempt: Attempt): unknown {
    const delivery = new TakenDelivery(message, context, attempt);
    this.#current = delivery;
    this.#asked.shift()?.resolve({ done: false, value: delivery });
    return BY_TAKER;
  }
  end(failure: unknown): void {
    this.#over = true;
    const asked = this.#asked;
    this.#asked = [];
    if (failure !== null && asked.length === 0) this.#failure = failure;
    for (const [index, { resolve, reject }] of asked.entries())
      if (failure !== null && index === 0) reject(failure);
      else resolve(DONE);
  }

  next(): Promise<IteratorResult<TakenDelivery, undefined>> {
    this.#current?.succeed();
    this.#current = null;
    return new Promise((resolve, reject) => {
      if (this.#over) {
        const failure = this.#failure;
        this.#failure = null;
        if (failure === null) resolve(DONE);
        else reject(failure);
        return;
      }
      this.#asked.push({ resolve, reject });
      if (this.#begun) return this.#wanted();
      this.#begun = true;
      this.#consume();
    });
  }
  async return(): Promise<IteratorReturnResult<undefined>> {
    this.#current?.release();
    this.#current = null;
    await this.#leave();
    return DONE;
  }
}
