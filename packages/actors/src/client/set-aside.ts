import { ask } from "../link/ask.ts";
import type { ClientEnvironment } from "../link/client-environment.ts";
import { decodeBody, encodeBody, validate } from "../message/body.ts";
import type { Offset } from "../message/brands.ts";
import { asMessagingError, isMessagingError, optionInvalid } from "../message/errors.ts";
import { PackedReader, packMessage } from "../message/packed.ts";
import { NO_SLOT, slotOf } from "../message/route.ts";
import { isName, type Keying, type Topic } from "../message/topic.ts";
import type { AsideChanged, AsideListed, AsideMessage, Question } from "../protocol/questions.ts";
import type { Because, SetAside, SetAsideEntry, SetAsideMessage } from "./client-api.ts";

/** Entries asked for at a time. */
const PAGE = 100;
/** Messages that `peek` shows unless told otherwise. */
const PEEK = 100;
/** Messages of a key that are looked up for the history before an order about the whole key. */
const NAMED_MAX = 10_000;

/**
 * What a group has set aside in a topic: questions and orders to the broker, with bodies decoded and parsed on the way.
 */
export function createSetAside<In, Out, K extends Keying, O extends boolean>(
  environment: ClientEnvironment,
  topic: Topic<In, Out, K, O>,
  group: string,
): SetAside<In, Out> {
  if (!isName(group)) throw optionInvalid("group", "1 to 128 of the characters A-Z a-z 0-9 . _ -", group);
  return new LiveSetAside(environment, topic as unknown as Topic<In, Out, Keying, boolean>, group);
}

/** Ids of messages, by their offsets. */
type Ids = ReadonlyMap<number, string | null>;

class LiveSetAside<In, Out> implements SetAside<In, Out> {
  readonly #environment: ClientEnvironment;
  readonly #topic: Topic<In, Out, Keying, boolean>;
  readonly #at: { readonly topic: string; readonly group: string };

  constructor(environment: ClientEnvironment, topic: Topic<In, Out, Keying, boolean>, group: string) {
    this.#environment = environment;
    this.#topic = topic;
    this.#at = { topic: topic.name, group };
  }

  async *list(options: { readonly limit?: number; readonly after?: string } = {}): AsyncIterable<SetAsideEntry<Out>> {
    let left = wholeLimit(options.limit, Number.POSITIVE_INFINITY);
    let after: string | null = options.after ?? null;
    while (left > 0) {
      const page: { readonly entries: readonly AsideListed[]; readonly next: string | null } = await this.#ask({
        kind: "aside.list",
        ...this.#at,
        after,
        limit: Math.min(PAGE, left),
      });
      for (const entry of page.entries) {
        if (left-- <= 0) return;
        yield this.#entry(entry);
      }
      if (page.next === null) return;
      after = page.next;
    }
  }
  async peek(key: string, options: { readonly limit?: number } = {}): Promise<readonly SetAsideMessage<Out>[]> {
    const messages = await this.#peek(key, wholeLimit(options.limit, PEEK));
    return messages.map((message) => this.#message(message));
  }
  async retry(entry: string, because: Because): Promise<void> {
    const { reason } = checked(because);
    const changed = await this.#ask({ kind: "aside.retry", ...this.#at, entry, reason });
    this.#record("redriven", changed);
    this.#emit("message.retried", changed, reason);
  }
  async skip(entry: string, because: Because): Promise<void> {
    const { reason } = checked(because);
    const changed = await this.#ask({ kind: "aside.skip", ...this.#at, entry, reason });
    this.#record("discarded", changed);
    this.#emit("message.skipped", changed, reason);
  }
  async replace(entry: string, body: In, because: Because): Promise<void> {
    const { reason } = checked(because);
    const topic = this.#topic;
    const parsed = validate(topic, body);
    // The broker keeps the message's own key, id and headers; a derived key is sent for it to refuse another one.
    const key = topic.keyOf?.(parsed) ?? null;
    const message = packMessage({
      key,
      slot: key === null ? NO_SLOT : slotOf(key),
      id: null,
      headers: null,
      dueMs: null,
      encoding: topic.encoding,
      body: encodeBody(topic.encoding, body),
    });
    const changed = await this.#ask({ kind: "aside.replace", ...this.#at, entry, message, reason });
    this.#record("redriven", changed);
    this.#emit("message.replaced", changed, reason);
  }
  async redrive(key: string, because: Because): Promise<{ readonly redriven: number }> {
    const { reason } = checked(because);
    const ids = await this.#idsOf(key);
    const changed = await this.#ask({ kind: "aside.redrive", ...this.#at, key, reason });
    this.#record("redriven", changed, ids);
    this.#environment.events.emit({
      type: "key.redriven",
      ...this.#at,
      queue: changed.queue,
      key,
      reason,
      by: this.#environment.name,
    });
    return { redriven: changed.offsets.length };
  }
  async discard(key: string, because: Because): Promise<{ readonly discarded: number }> {
    const { reason } = checked(because);
    const ids = await this.#idsOf(key);
    const changed = await this.#ask({ kind: "aside.discard", ...this.#at, key, reason });
    this.#record("discarded", changed, ids);
    this.#environment.events.emit({
      type: "key.discarded",
      ...this.#at,
      queue: changed.queue,
      key,
      reason,
      by: this.#environment.name,
    });
    return { discarded: changed.offsets.length };
  }

  /** Page after page, each as the key is then. */
  async #peek(key: string, limit: number): Promise<readonly AsideMessage[]> {
    const found: AsideMessage[] = [];
    while (found.length < limit) {
      const from = ((found.at(-1)?.offset ?? -1) + 1) as Offset;
      const asked = { kind: "aside.peek", ...this.#at, key, limit: limit - found.length, from } as const;
      const page = await this.#ask(asked).catch((error: unknown) => {
        if (found.length > 0 && isMessagingError(error, "ENTRY_UNKNOWN")) return []; // all of it has run meanwhile
        throw error;
      });
      // a broker of version 1 knows the first page only
      if (page.length === 0 || (page[0] as AsideMessage).offset < from) break;
      found.push(...page);
    }
    return found;
  }
  #ask<Q extends Question>(question: Q) {
    return ask(this.#environment, question);
  }
  #entry(listed: AsideListed): SetAsideEntry<Out> {
    const message = this.#message(listed);
    const { entry, kind, key, behind, sinceMs, attempts, error } = listed;
    const common = { entry, message, sinceMs, attempts, error };
    return kind === "parked" ? { kind, key: key ?? "", behind, ...common } : { kind, key, behind: 0, ...common };
  }
  #message({ queue, offset, appendedAtMs, message, withheld = false }: AsideMessage): SetAsideMessage<Out> {
    const reader = new PackedReader(message);
    reader.next();
    const common = {
      topic: this.#topic.name,
      queue,
      offset,
      key: reader.key,
      id: reader.id,
      headers: reader.headers ?? {},
      appendedAtMs,
    };
    return withheld ? { ...common, withheld, body: undefined } : { ...common, withheld, body: this.#body(reader) };
  }
  /** As far as it can be read: a body that its schema refuses may be here for just that. */
  #body(reader: PackedReader): Out {
    let raw: unknown = reader.body;
    try {
      raw = decodeBody(reader.encoding, reader.body);
      return validate(this.#topic, raw);
    } catch (error) {
      this.#environment.logger.log("debug", "a message that was set aside is shown unparsed", {
        topic: this.#topic.name,
        code: asMessagingError(error).code,
      });
      return raw as Out;
    }
  }

  async #idsOf(key: string): Promise<Ids> {
    if (this.#environment.history === null) return new Map();
    const messages = await this.#peek(key, NAMED_MAX);
    return new Map(
      messages.map(({ offset, message }) => {
        const reader = new PackedReader(message);
        reader.next();
        return [offset, reader.id];
      }),
    );
  }
  #record(type: "redriven" | "discarded", changed: AsideChanged, ids?: Ids): void {
    const { queue, revision, offsets, key, id } = changed;
    for (const offset of offsets)
      this.#environment.history?.record({
        type,
        revision,
        ...this.#at,
        queue,
        offset,
        key,
        id: ids === undefined ? id : (ids.get(offset) ?? null),
      });
  }
  #emit(
    type: "message.retried" | "message.skipped" | "message.replaced",
    { queue, offsets, key }: AsideChanged,
    reason: string,
  ): void {
    for (const offset of offsets)
      this.#environment.events.emit({ type, ...this.#at, queue, offset, key, reason, by: this.#environment.name });
  }
}

/** An order needs a reason. @throws `OPTION_INVALID` */
export function checked(because: Because): Because {
  if (typeof because?.reason !== "string" || because.reason.trim() === "")
    throw optionInvalid("reason", "a text that says why", because?.reason);
  return because;
}
function wholeLimit(limit: number | undefined, otherwise: number): number {
  if (limit === undefined) return otherwise;
  if (!Number.isSafeInteger(limit) || limit < 1) throw optionInvalid("limit", "an integer from 1", limit);
  return limit;
}
