import { type Client, isMessagingError, type Producer } from "@seriatim/actors/client";
import { connectClient } from "../engine/connect-client.ts";
import { type App, type Incarnation, ProcessSlot } from "../engine/process-slot.ts";
import { messageId } from "../watch/history-book.ts";
import type { ProducerPlan } from "./plan.ts";
import type { PlannedWorld, SimulatedBody } from "./planned-world.ts";

interface Outgoing {
  readonly id: string;
  readonly ordinal: number;
  tried: boolean;
  /** It has a receipt, or was given up. */
  over: boolean;
}
interface KeyOutbox {
  readonly topic: string;
  readonly key: string;
  readonly messages: Outgoing[];
}

/**
 * What a producer has to send, and what of it is known to be appended: its own database, which outlives its crashes.
 */
export class Outbox {
  readonly #producer: string;
  readonly #keys = new Map<string, KeyOutbox>();
  /** Called with each message that is new. */
  onNew: ((of: KeyOutbox) => void) | null = null;

  constructor(producer: string) {
    this.#producer = producer;
  }
  add(topic: string, key: string): void {
    const name = `${topic} ${key}`;
    const of = this.#keys.get(name) ?? { topic, key, messages: [] };
    this.#keys.set(name, of);
    const ordinal = of.messages.length;
    of.messages.push({ id: messageId(this.#producer, topic, key, ordinal), ordinal, tried: false, over: false });
    this.onNew?.(of);
  }
  get keys(): Iterable<KeyOutbox> {
    return this.#keys.values();
  }
  get pending(): number {
    let count = 0;
    for (const { messages } of this.#keys.values()) for (const each of messages) if (!each.over) count++;
    return count;
  }
}

/** How far this incarnation is with one key. */
interface Progress {
  next: number;
  underWay: number;
  failed: boolean;
}
const AGAIN_MS = 150;

/**
 * Sends each key's messages in order without waiting, as an application with an outbox does: when one fails, it lets
 * those under way end and begins again
 * at the first without a receipt, under the same ids. One that does not resend gives up what fails, and after a restart
 * what it had tried.
 */
export class ProducerApp implements App {
  readonly #world: PlannedWorld;
  readonly #incarnation: Incarnation;
  readonly #plan: ProducerPlan;
  readonly #outbox: Outbox;
  /** Another incarnation has taken its place. */
  readonly #isOutlived: () => boolean;
  readonly #progress = new Map<KeyOutbox, Progress>();
  readonly #producers = new Map<string, Producer<SimulatedBody, "derived">>();
  #client: Client | null = null;
  #closed = false;
  #underWay = 0;

  constructor(
    world: PlannedWorld,
    incarnation: Incarnation,
    plan: ProducerPlan,
    outbox: Outbox,
    isOutlived: () => boolean,
  ) {
    this.#isOutlived = isOutlived;
    this.#world = world;
    this.#incarnation = incarnation;
    this.#plan = plan;
    this.#outbox = outbox;
    outbox.onNew = (of) => incarnation.runtime.deliver(() => this.#pump(of));
    void this.#start();
  }
  async #start(): Promise<void> {
    this.#client = await connectClient(this.#incarnation, { isOver: () => this.#closed });
    for (const of of this.#outbox.keys) this.#pump(of);
  }
  #producer(topic: string): Producer<SimulatedBody, "derived"> {
    let producer = this.#producers.get(topic);
    if (producer === undefined) {
      const { name, durability, stableName, sendTimeoutMs, bufferMessagesMax } = this.#plan;
      const options = { durability, sendTimeoutMs, bufferMessagesMax, ...(stableName ? { name } : {}) };
      producer = (this.#client as Client).producer(this.#world.topic(topic).topic, options);
      this.#producers.set(topic, producer);
    }
    return producer;
  }
  #pump(of: KeyOutbox): void {
    if (this.#client === null || this.#closed) return;
    const progress = this.#progress.get(of) ?? { next: 0, underWay: 0, failed: false };
    this.#progress.set(of, progress);
    while (!progress.failed && progress.next < of.messages.length) {
      const message = of.messages[progress.next++] as Outgoing;
      if (message.tried && !this.#plan.resends) this.#giveUp(of, message);
      else if (!message.over) this.#send(of, progress, message);
    }
  }
  #send(of: KeyOutbox, progress: Progress, message: Outgoing): void {
    const producer = this.#producer(of.topic);
    progress.underWay++;
    message.tried = true;
    if (++this.#underWay > this.#plan.bufferMessagesMax) this.#world.counters.hit("producerBufferFull");
    producer.send({ key: of.key, n: message.ordinal }, { id: message.id }).then(
      () => {
        message.over = true;
        this.#ended(of, progress);
      },
      (error: unknown) => {
        if (this.#plan.resends) progress.failed = true;
        else this.#giveUp(of, message);
        const over = isMessagingError(error, "PRODUCER_FENCED") || isMessagingError(error, "CLOSED");
        // as a program does that finds its name taken over
        if (isMessagingError(error, "PRODUCER_FENCED") && this.#isOutlived()) this.#closed = true;
        if (over && this.#producers.get(of.topic) === producer) this.#producers.delete(of.topic);
        this.#ended(of, progress);
      },
    );
  }
  #giveUp({ topic, key }: KeyOutbox, message: Outgoing): void {
    if (message.over) return;
    message.over = true;
    for (const { name } of this.#world.topic(topic).plan.groups) this.#world.effects.mayHaveGaps(topic, name, key);
  }
  #ended(of: KeyOutbox, progress: Progress): void {
    progress.underWay--;
    this.#underWay--;
    if (!progress.failed || progress.underWay > 0) return;
    this.#incarnation.runtime.setTimeout(() => {
      progress.failed = false;
      progress.next = 0;
      this.#pump(of);
    }, AGAIN_MS);
  }
  get todo(): string | null {
    const { pending } = this.#outbox;
    return pending > 0 ? `waits for ${pending} receipts` : null;
  }
  async close(): Promise<void> {
    this.#closed = true;
    await this.#client?.close({ timeoutMs: 5_000 });
  }
}

export function producerSlot(world: PlannedWorld, plan: ProducerPlan, outbox: Outbox): ProcessSlot<ProducerApp> {
  const slot: ProcessSlot<ProducerApp> = new ProcessSlot(world, {
    name: plan.name,
    role: "producer",
    settings: { topics: world.plan.topics.map(({ name }) => name), settings: { durability: plan.durability } },
    begin: (incarnation) => new ProducerApp(world, incarnation, plan, outbox, () => slot.incarnation !== incarnation),
  });
  return slot;
}
