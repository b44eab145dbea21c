import { type Offset, offset } from "../message/brands.ts";
import { MessagingError } from "../message/errors.ts";
import { PackedReader, withBodyOf, withoutBody } from "../message/packed.ts";
import { slotOf } from "../message/route.ts";
import { quoted } from "../message/text.ts";
import type { AsideChanged, AsideListed, AsideMessage, Question } from "../protocol/questions.ts";
import type { EventBus } from "../runtime/event-bus.ts";
import type { StoreWrite } from "../store/store.ts";
import type { GroupSubscription } from "../subscription/group-subscription.ts";
import { copiesOf } from "../subscription/log-scan.ts";
import { type AsideCopy, entryId, entryUnknown, keyOf, parseEntryId, type Strand } from "../subscription/set-aside.ts";
import type { Group } from "./group.ts";
import { Page } from "./page.ts";
import type { QuestionTurn } from "./question-turns.ts";
import type { TopicHome } from "./topic-home.ts";

type Ordered<K extends Question["kind"]> = Extract<Question, { readonly kind: K }>;
/** Stands in an entry's name where a halted queue's message is meant, which is in no strand. */
const HALT_STRAND = 0;
const PEEK_AT_ONCE = 16;
/** Queues and strands looked at before the loop is let go. */
const LOOKED_AT_ONCE = 64;

/**
 * What a group has set aside in a topic, and the orders people give about it. Each order is one commit, told on the
 * event bus with who gave it and why.
 */
export class SetAsideOrders {
  readonly #topic: TopicHome;
  readonly #group: Group;
  readonly #events: EventBus;
  readonly #by: string;

  constructor(topic: TopicHome, group: Group, events: EventBus, by: string) {
    this.#topic = topic;
    this.#group = group;
    this.#events = events;
    this.#by = by;
  }

  /** Heads of parked keys, dead letters and halted messages over all queues, in order of queue and time. */
  async list(
    after: string | null,
    limit: number,
    { rest }: QuestionTurn,
    bodies: boolean,
  ): Promise<{ readonly entries: readonly AsideListed[]; readonly next: string | null }> {
    const from = after === null ? { queue: -1, strand: -1 } : parseEntryId(after);
    const page = new Page<AsideListed>(this.#topic.messageBytesMax);
    const next = () => ({ entries: page.entries, next: page.entries.at(-1)?.entry ?? null });
    let looked = 0;
    for (const [queue, subscription] of this.#subscriptions()) {
      if (queue < from.queue) continue;
      if (++looked % LOOKED_AT_ONCE === 0) await rest();
      const begins = queue === from.queue ? from.strand + 1 : HALT_STRAND;
      if (begins <= HALT_STRAND) {
        if (page.entries.length >= limit) return next();
        const halted = await this.#halted(queue, subscription, bodies);
        if (halted !== null && !page.add(halted)) return next();
      }
      for (const strand of subscription.aside.strands()) {
        if (strand.id < begins) continue;
        if (page.entries.length >= limit) return next();
        if (++looked % LOOKED_AT_ONCE === 0) await rest();
        const behind = strand.offsets.length - 1; // as of now: while heads are read, strands go on
        if (behind < 0) continue; // this one has ended meanwhile
        const [head] = await subscription.aside.copies(strand, 0, 1);
        if (head === undefined) continue;
        const listed: AsideListed = {
          kind: strand.kind,
          entry: entryId(queue, strand.id, head.offset),
          key: strand.key,
          behind,
          sinceMs: strand.sinceMs,
          attempts: strand.attempts,
          error: strand.error,
          queue,
          ...shown(head, bodies),
        };
        if (!page.add(listed)) return next();
      }
    }
    return { entries: page.entries, next: null };
  }
  async #halted(queue: number, subscription: GroupSubscription, bodies: boolean): Promise<AsideListed | null> {
    const { halt } = subscription.state;
    if (halt === null) return null;
    const [message] = await copiesOf(subscription.scope.log, halt.offset, halt.offset + 1, () => true);
    if (message === undefined) return null;
    return {
      kind: "halted",
      entry: entryId(queue, HALT_STRAND, halt.offset),
      key: halt.key,
      behind: 0,
      sinceMs: halt.sinceMs,
      attempts: halt.attempts,
      error: halt.error,
      queue,
      ...shown(message, bodies),
    };
  }
  async peek(
    key: string,
    limit: number,
    first: number,
    { rest }: QuestionTurn,
    bodies: boolean,
  ): Promise<readonly AsideMessage[]> {
    const { queue, subscription, strand } = this.#strandOf(key);
    const page = new Page<AsideMessage>(this.#topic.messageBytesMax);
    for (let from = first; page.entries.length < limit; ) {
      if (page.entries.length > 0) await rest();
      const copies = await subscription.aside.copies(strand, from, Math.min(limit - page.entries.length, PEEK_AT_ONCE));
      for (const copy of copies) {
        if (!page.add({ queue, ...shown(copy, bodies) })) return page.entries;
        from = copy.offset + 1;
      }
      if (copies.length === 0) break;
    }
    return page.entries;
  }

  /** The message runs again; a parked key's followers come after it. */
  retry({ entry, reason }: Ordered<"aside.retry" | "aside.skip">): Promise<AsideChanged> {
    return this.#onEntry(entry, "message.retried", reason, {
      strand: async (subscription, strand) => [
        subscription.aside.turn(strand, { phase: "redriving", attempts: 0, error: strand.error }),
      ],
      halted: async (subscription, { offset: at }) => {
        subscription.state.tried.delete(at);
        return [];
      },
    });
  }
  /** The message is given up; a parked key's followers run. */
  skip({ entry, reason }: Ordered<"aside.retry" | "aside.skip">): Promise<AsideChanged> {
    return this.#onEntry(entry, "message.skipped", reason, {
      strand: async (subscription, strand, { offset: at }) => {
        const writes = subscription.aside.take(subscription.state, strand, at);
        subscription.state.discard(at);
        if (strand.offsets.length > 0)
          writes.push(subscription.aside.turn(strand, { phase: "redriving", attempts: 0, error: strand.error }));
        return writes;
      },
      halted: async (subscription, { offset: at }) => {
        subscription.state.discard(at);
        subscription.state.tried.delete(at);
        return [];
      },
    });
  }
  /**
   * Another body runs in its place: same key, id, headers and offset.
   * @throws `KEY_INVALID` when it comes with another key; `MESSAGE_TOO_LARGE`
   */
  replace({ entry, message, reason }: Ordered<"aside.replace">): Promise<AsideChanged> {
    return this.#onEntry(entry, "message.replaced", reason, {
      strand: async (subscription, strand, old) => [
        subscription.aside.replace(strand, this.#inPlaceOf(old, message)),
        subscription.aside.turn(strand, { phase: "redriving", attempts: 0, error: strand.error }),
      ],
      // set aside with its new body, and run again at once; the key waits behind it
      halted: async (subscription, old) => {
        const { halt } = subscription.state;
        if (halt === null) throw entryUnknown(entry);
        const copy = this.#inPlaceOf(old, message);
        const followers = await copiesOf(
          subscription.scope.log,
          old.offset + 1,
          subscription.deliveredEnd,
          (other, key) => key !== null && key === halt.key && !subscription.state.isDone(other),
        );
        const { runtime } = subscription.scope.topic;
        const { strand, writes } = subscription.aside.begin(
          subscription.state,
          {
            kind: halt.key === null ? "dead-letter" : "parked",
            key: halt.key,
            sinceMs: runtime.wallNow(),
            revision: 0, // its holder has set nothing aside
            attempts: 0,
            error: halt.error,
          },
          copy,
          followers,
        );
        return [...writes, subscription.aside.turn(strand, { phase: "redriving", attempts: 0, error: halt.error })];
      },
    });
  }
  /** All that waits of a key runs, in order, before anything newer. */
  async redrive({ key, reason }: Ordered<"aside.redrive" | "aside.discard">): Promise<AsideChanged> {
    const { queue, subscription } = this.#strandOf(key);
    const changed = await subscription.change(async () => {
      const { strand } = this.#strandOf(key);
      const result = { queue, offsets: strand.offsets.map(offset), key, id: null };
      if (strand.phase === "redriving") return { writes: [], result }; // it runs already: what was sent is not sent again
      const write = subscription.aside.turn(strand, { phase: "redriving", attempts: 0, error: strand.error });
      return { writes: [write], result, after: () => subscription.redrive(strand) };
    });
    this.#events.emit({
      type: "key.redriven",
      topic: this.#topic.spec.name,
      queue,
      group: this.#group.name,
      key,
      reason,
      by: this.#by,
    });
    return changed;
  }
  /** All that waits of a key is given up; newer messages run. */
  async discard({ key, reason }: Ordered<"aside.redrive" | "aside.discard">): Promise<AsideChanged> {
    const { queue, subscription } = this.#strandOf(key);
    const changed = await subscription.change(async () => {
      const { strand } = this.#strandOf(key);
      // what has gone out to be run again is no longer waiting: it would be handled, and settled, after it was given up
      const runs = strand.phase === "redriving";
      const offsets = strand.offsets.filter((at) => !(runs && subscription.hasSent(strand, at)));
      const writes: StoreWrite[] = [];
      for (const at of offsets) {
        writes.push(...subscription.aside.take(subscription.state, strand, at));
        subscription.state.discard(at);
      }
      return { writes, result: { queue, offsets: offsets.map(offset), key, id: null } };
    });
    this.#events.emit({
      type: "key.discarded",
      topic: this.#topic.spec.name,
      queue,
      group: this.#group.name,
      key,
      reason,
      by: this.#by,
    });
    return changed;
  }

  /** One order about one entry, looked up again when its turn comes: it may be gone by then. */
  async #onEntry(
    entry: string,
    type: "message.retried" | "message.skipped" | "message.replaced",
    reason: string,
    order: {
      strand(subscription: GroupSubscription, strand: Strand, message: AsideCopy): Promise<StoreWrite[]>;
      halted(subscription: GroupSubscription, message: AsideCopy): Promise<StoreWrite[]>;
    },
  ): Promise<AsideChanged> {
    const id = parseEntryId(entry);
    const subscription = this.#group.subscription(id.queue);
    if (subscription === undefined) throw entryUnknown(entry);
    const resultOf = ({ message }: AsideCopy, key: string | null) => {
      const offsets: readonly Offset[] = [offset(id.offset)];
      return { queue: id.queue, offsets, key, id: idOf(message) };
    };
    const changed = await subscription.change(async () => {
      if (id.strand === HALT_STRAND) {
        if (subscription.state.halt?.offset !== id.offset) throw entryUnknown(entry);
        const { key } = subscription.state.halt;
        const [message] = await copiesOf(subscription.scope.log, id.offset, id.offset + 1, () => true);
        if (message === undefined) throw entryUnknown(entry);
        const writes = await order.halted(subscription, message);
        subscription.state.halt = null;
        // the queue goes on under a new lease, so that nobody holds on to what it stood at; what still runs of other
        // keys ends first
        return { writes, result: resultOf(message, key), after: () => subscription.lease?.revoke() };
      }
      const strand = subscription.aside.strand(id.strand);
      if (strand === undefined || strand.offsets[0] !== id.offset) throw entryUnknown(entry);
      const [message] = await subscription.aside.copies(strand, id.offset, 1);
      if (message?.offset !== id.offset) throw entryUnknown(entry);
      const result = resultOf(message, strand.key);
      if (strand.phase === "redriving" && subscription.hasSent(strand, id.offset)) {
        if (type === "message.retried") return { writes: [], result };
        throw entryUnknown(entry); // it runs right now: what a handler is busy with is neither skipped nor replaced
      }
      const ran = strand.phase === "redriving";
      const writes = await order.strand(subscription, strand, message);
      return { writes, result, after: () => ran || subscription.redrive(strand) };
    });
    this.#events.emit({
      type,
      topic: this.#topic.spec.name,
      queue: id.queue,
      group: this.#group.name,
      offset: offset(id.offset),
      key: changed.key,
      reason,
      by: this.#by,
    });
    return changed;
  }
  #inPlaceOf(old: AsideCopy, replacement: Uint8Array): AsideCopy {
    checkKey(replacement, keyOf(old.message));
    const message = withBodyOf(old.message, replacement);
    const { messageBytesMax } = this.#topic;
    if (message.length > messageBytesMax)
      throw new MessagingError(
        "MESSAGE_TOO_LARGE",
        `the message would have ${message.length} bytes; the broker takes at most ${messageBytesMax}`,
        { data: { bytes: message.length, bytesMax: messageBytesMax } },
      );
    return { ...old, message };
  }
  *#subscriptions(): IterableIterator<[number, GroupSubscription]> {
    for (const queue of this.#topic.queues) {
      const subscription = this.#group.subscription(queue.index);
      if (subscription !== undefined) yield [queue.index, subscription];
    }
  }
  #strandOf(key: string): {
    readonly queue: number;
    readonly subscription: GroupSubscription;
    readonly strand: Strand;
  } {
    const slot = slotOf(key);
    const queue = this.#topic.route.runs.findLast(([first]) => first <= slot)?.[1] ?? 0;
    const subscription = this.#group.subscription(queue);
    const strand = subscription?.aside.parked(key);
    if (subscription === undefined || strand === undefined)
      throw new MessagingError(
        "ENTRY_UNKNOWN",
        `key ${quoted(key)} is not parked for group "${this.#group.name}" of topic "${this.#topic.spec.name}"`,
        { data: { key } },
      );
    return { queue, subscription, strand };
  }
}
/** A message as it is shown: key and id go to whoever may list it, body and headers to whoever may read. */
const shown = ({ offset: at, appendedAtMs, message }: AsideCopy, bodies: boolean) => ({
  offset: offset(at),
  appendedAtMs,
  ...(bodies ? { message } : { message: withoutBody(message), withheld: true }),
});
const idOf = (message: Uint8Array): string | null => {
  const reader = new PackedReader(message);
  return reader.next() ? reader.id : null;
};
/** One without a key takes that of the message it replaces: whoever ordered it need not know it. */
function checkKey(message: Uint8Array, expected: string | null): void {
  const key = keyOf(message);
  if (key !== null && key !== expected)
    throw new MessagingError(
      "KEY_INVALID",
      `the message set aside has ${expected === null ? "no key" : `the key ${quoted(expected)}`}, its replacement the key ${quoted(key)}`,
      {
        data: { expected, found: key },
      },
    );
}
