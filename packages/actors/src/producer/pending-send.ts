import type { MessagingError } from "../message/errors.ts";
import type { Receipt } from "../message/message.ts";
import type { PackSpace } from "../message/packed.ts";

/**
 * The promise of one send. Knows whether anybody looked at it, so that the failures nobody saw can be told by
 * `flush()`; a failure nobody saw never counts as an unhandled rejection.
 */
export class SendPromise extends Promise<Receipt> {
  static override get [Symbol.species](): PromiseConstructor {
    return Promise;
  }
  /** `then`, `await` or `catch` was used. */
  read = false;
  // biome-ignore lint/suspicious/noThenProperty: this is how a promise learns that it is read
  override then<A = Receipt, B = never>(
    fulfilled?: ((receipt: Receipt) => A | PromiseLike<A>) | null,
    rejected?: ((error: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    this.read = true;
    return super.then(fulfilled, rejected);
  }
  /** Its rejection is no business of the process, whether somebody looks at it or not. */
  disown(): void {
    if (!this.read) super.then(undefined, ignore);
  }
}
const ignore = (): void => {};

/**
 * What the executor of the newest promise was given: taken from here at once, so that a
 * send needs no closure of its own.
 */
let resolveNewest: (receipt: Receipt) => void;
let rejectNewest: (error: MessagingError) => void;
const executor = (
  resolve: (receipt: Receipt | PromiseLike<Receipt>) => void,
  reject: (error: unknown) => void,
): void => {
  resolveNewest = resolve;
  rejectNewest = reject;
};

const EMPTY = new Uint8Array(0);

/**
 * Where a send stands. `waiting`: for room; `admitted`: for the route; `buffered`: in its lane; `numbered`: its
 * sequence number has been written to a link and is its own for ever.
 */
export type SendStage = "waiting" | "admitted" | "buffered" | "numbered" | "receipted" | "gone";

/** One send, from its call to its receipt. */
export class PendingSend {
  readonly promise: SendPromise;
  readonly #resolve: (receipt: Receipt) => void;
  readonly #reject: (error: MessagingError) => void;
  /** The number of its call, from 1. */
  readonly call: number;
  readonly key: string | null;
  readonly id: string | null;
  readonly slot: number;
  readonly deadline: number;
  /** Where it is packed: `length` bytes from `at` on. Gone once it is no longer needed. */
  bytes: Uint8Array;
  at: number;
  length: number;
  stage: SendStage = "waiting";
  /** The caller has its answer. */
  answered = false;
  /** Times it was written to a link: a refusal of the only one is certain, one of a later one is not. */
  writes = 0;
  queue = -1;
  /** Why it failed. */
  failure: MessagingError | null = null;
  /** Takes the abort listener away. */
  unlisten: (() => void) | null = null;

  constructor(call: number, key: string | null, id: string | null, slot: number, deadline: number) {
    this.promise = new SendPromise(executor as ConstructorParameters<typeof Promise<Receipt>>[0]);
    this.#resolve = resolveNewest;
    this.#reject = rejectNewest;
    this.call = call;
    this.bytes = EMPTY;
    this.at = 0;
    this.length = 0;
    this.key = key;
    this.id = id;
    this.slot = slot;
    this.deadline = deadline;
  }
  /** It was packed last in `space`. */
  packedIn({ slab, at }: PackSpace, length: number): void {
    this.bytes = slab;
    this.at = at;
    this.length = length;
  }
  /** Lets go of its bytes. @returns how many there were */
  unpack(): number {
    const { length } = this;
    this.bytes = EMPTY;
    this.length = 0;
    return length;
  }
  resolve(receipt: Receipt): void {
    this.answered = true;
    this.unlisten?.();
    this.#resolve(receipt);
  }
  reject(error: MessagingError): void {
    this.answered = true;
    this.unlisten?.();
    this.failure = error;
    this.promise.disown();
    this.#reject(error);
  }
}
