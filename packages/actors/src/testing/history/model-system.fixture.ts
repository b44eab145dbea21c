import type { ExhaustedPolicy, HistoryDurability, HistoryEvent, HistoryEventType } from "./history-event.ts";
import { HistoryScript, type Placed } from "./history-script.fixture.ts";

/** What the model does wrong on purpose. */
export type Bug =
  | "appendsOutOfOrder"
  | "appendsTwice"
  | "losesFlushed"
  | "settlesUpTo"
  | "acceptsStaleSettles"
  | "grantsTwice"
  | "forgetsEpochs"
  | "forgetsInHand"
  | "releasesBusy"
  | "overtakesFailed"
  | "leaksParked"
  | "leavesBehind"
  | "countsTwice";

export interface ModelOptions {
  readonly seed: number;
  readonly steps: number;
  readonly durability: HistoryDurability;
  readonly exhausted: ExhaustedPolicy;
  readonly concurrency: number;
  readonly bug?: Bug;
}

interface Entry {
  readonly id: string;
  readonly key: string | null;
}
interface Send extends Entry {
  readonly place: number;
  acknowledged: boolean;
}
/** One producer incarnation on one queue: `appended` of its sends are in the log. */
interface Lane {
  readonly process: string;
  readonly queue: number;
  sends: Send[];
  offsets: number[];
}
type Class = "settled" | "deadLettered" | "parked" | "discarded" | "skipped";
interface Subscription {
  readonly entries: Entry[];
  flushed: number;
  revision: number;
  epoch: number;
  holder: { readonly process: string; readonly epoch: number } | undefined;
  until: number;
  halted: boolean;
  classes: Map<number, Class>;
  attempts: Map<number, number>;
  /** By key: offsets set aside in order; delivered while it is being redriven. */
  strands: Map<string, { readonly offsets: number[]; open: boolean }>;
}
interface Handling {
  readonly queue: number;
  readonly offset: number;
  readonly message: Placed;
  readonly attempt: number;
  readonly epoch: number;
  hung: boolean;
  abandoned: boolean;
}
interface Settle {
  readonly queue: number;
  readonly message: Placed;
  /** Its answer was lost: sent again. */
  repeated: boolean;
}
interface Process {
  readonly name: string;
  readonly incarnation: number;
  readonly leases: Map<number, { epoch: number; until: number }>;
  readonly running: Handling[];
  /** Handled and not confirmed, under the present lease. */
  readonly settles: Settle[];
  pausedUntil: number;
}

const TTL = 30;
const QUEUES = 2;
const KEYS = ["a", "b", "c", "d", null];

/**
 * A small, synchronous model of the framework with everything that makes histories hard: lost answers, killed and stopped processes, crashing brokers,
 * hung handlers, parked keys, seeks. A history of it must be clean, and one with a bug must not, once the bug has shown.
 */
export class ModelSystem {
  readonly #script = new HistoryScript();
  readonly #options: ModelOptions;
  readonly #queues: Subscription[] = Array.from({ length: QUEUES }, () => newSubscription());
  readonly #lanes: Lane[] = [];
  readonly #ordinals = new Map<string, number>();
  readonly #consumers: Process[] = [];
  readonly #producers = [1, 2].map((number) => ({ name: `shop-${number}`, incarnation: 1 }));
  #random: number;
  #now = 0;
  #logEpoch = 1;
  #sent = 0;
  #healed = false;

  constructor(options: ModelOptions) {
    this.#options = options;
    this.#random = options.seed;
    for (const { name } of this.#producers) this.#write(`${name}#1`, "start", { settings: {} });
    for (const number of [1, 2, 3]) this.#join(`worker-${number}`, 1);
  }

  run(): readonly HistoryEvent[] {
    const { steps } = this.#options;
    for (; this.#now < steps; this.#now++) this.#step();
    this.#healed = true;
    for (const consumer of this.#consumers) consumer.pausedUntil = 0;
    for (; this.#now < steps * 50 && !this.#isDrained(); this.#now++) this.#step();
    for (let queue = 0; queue < QUEUES; queue++) this.#state(queue);
    for (const { name, incarnation } of this.#consumers) this.#write(`${name}#${incarnation}`, "end");
    return this.#script.events;
  }

  #isDrained(): boolean {
    return (
      this.#lanes.every((lane) => lane.sends.every((send) => send.acknowledged)) &&
      this.#queues.every((each) => each.halted || (cursorOf(each) === each.entries.length && each.strands.size === 0))
    );
  }

  #step(): void {
    if (!this.#healed && this.#chance(0.25)) this.#send();
    if (this.#chance(0.4)) this.#transmit();
    if (!this.#healed) this.#faults();
    if (this.#chance(this.#healed ? 0.05 : 0.02)) this.#administer();
    const consumer = this.#consumers[this.#pick(this.#consumers.length)]!;
    if (consumer.pausedUntil <= this.#now) this.#consume(consumer);
  }

  #faults(): void {
    const consumer = this.#consumers[this.#pick(this.#consumers.length)]!;
    const name = `${consumer.name}#${consumer.incarnation}`;
    if (this.#chance(0.01)) {
      this.#script.fault("kill", name);
      this.#consumers.splice(this.#consumers.indexOf(consumer), 1);
      this.#join(consumer.name, consumer.incarnation + 1);
    } else if (this.#chance(0.01)) {
      this.#script.fault("pause", name);
      consumer.pausedUntil = this.#now + this.#pick(3 * TTL);
    } else if (this.#chance(0.006)) this.#crashBroker();
    else if (this.#chance(0.005)) {
      const producer = this.#producers[this.#pick(2)]!;
      this.#script.fault("kill", `${producer.name}#${producer.incarnation}`);
      const killed = this.#lanes.filter((lane) => lane.process === `${producer.name}#${producer.incarnation}`);
      for (const lane of killed) this.#lanes.splice(this.#lanes.indexOf(lane), 1);
      producer.incarnation++;
      this.#write(`${producer.name}#${producer.incarnation}`, "start", { settings: {} });
    }
  }

  /* ---------- producing ---------- */

  #send(): void {
    const producer = this.#producers[this.#pick(2)]!;
    const process = `${producer.name}#${producer.incarnation}`;
    const key = KEYS[this.#pick(KEYS.length)]!;
    const queue = key === null ? this.#pick(QUEUES) : KEYS.indexOf(key) % QUEUES;
    const counter = `${producer.name}/${key}`;
    const ordinal = this.#ordinals.get(counter) ?? 0;
    this.#ordinals.set(counter, ordinal + 1);
    const id = `m${this.#sent++}`;
    this.#write(process, "sending", { topic: "orders", id, key, ordinal, durability: this.#options.durability });
    if (this.#chance(0.03)) {
      this.#write(process, "refused", { topic: "orders", id, key, code: "SEND_TIMEOUT", outcome: "notAppended" });
      return;
    }
    let lane = this.#lanes.find((each) => each.process === process && each.queue === queue);
    if (lane === undefined) {
      lane = { process, queue, sends: [], offsets: [] };
      this.#lanes.push(lane);
    }
    lane.sends.push({ id, key, place: ordinal, acknowledged: false });
  }

  /** A batch reaches the queue; its answer reaches the producer, or does not. */
  #transmit(): void {
    const lane = this.#lanes[this.#pick(Math.max(1, this.#lanes.length))];
    if (lane === undefined) return;
    const { entries } = this.#queues[lane.queue]!;
    const batch = lane.sends.slice(lane.offsets.length, lane.offsets.length + 1 + this.#pick(3));
    if (this.#has("appendsOutOfOrder") && this.#chance(0.2)) batch.reverse();
    for (const send of batch) {
      if (this.#has("appendsTwice") && this.#chance(0.05)) entries.push(send);
      lane.offsets[lane.sends.indexOf(send)] = entries.length;
      entries.push(send);
    }
    if (this.#chance(0.8)) this.#flush(lane.queue);
    if (this.#chance(0.3) && !this.#healed) return;
    for (const [index, offset] of lane.offsets.entries()) {
      const send = lane.sends[index]!;
      if (send.acknowledged || (this.#options.durability !== "memory" && offset >= this.#queues[lane.queue]!.flushed))
        continue;
      send.acknowledged = true;
      const place = this.#placed(lane.queue, offset);
      this.#write(lane.process, "sent", { ...place, durability: this.#options.durability });
    }
  }

  #flush(queue: number): void {
    const subscription = this.#queues[queue]!;
    subscription.flushed = subscription.entries.length;
  }

  /** Whatever was not flushed is gone; leases end; epochs and what was committed stay. */
  #crashBroker(): void {
    this.#script.fault("kill", `broker#${this.#logEpoch}`);
    this.#logEpoch++;
    for (const [queue, subscription] of this.#queues.entries()) {
      const takes =
        this.#has("losesFlushed") && subscription.flushed > 0 && !subscription.classes.has(subscription.flushed - 1)
          ? 1
          : 0;
      subscription.flushed -= takes;
      subscription.entries.length = subscription.flushed;
      subscription.holder = undefined;
      if (this.#has("forgetsEpochs")) subscription.epoch = 0;
      for (const lane of this.#lanes) if (lane.queue === queue) this.#recover(lane, subscription.flushed);
    }
  }

  /** The lane finds what the queue still has, names what it cannot send again, and goes on behind it. */
  #recover(lane: Lane, end: number): void {
    const kept = lane.offsets.filter((offset) => offset < end).length;
    const lost = lane.sends.slice(kept, lane.offsets.length).filter((send) => send.acknowledged);
    if (lost.length > 0) {
      this.#write(lane.process, "tailLost", {
        topic: "orders",
        queue: lane.queue,
        from: kept,
        to: kept + lost.length,
      });
    }
    lane.sends = lane.sends.filter((send, index) => index >= kept && !lost.includes(send));
    lane.offsets = [];
  }

  /* ---------- consuming ---------- */

  #join(name: string, incarnation: number): void {
    const { concurrency, exhausted } = this.#options;
    const settings = { concurrency, exhausted, attempts: 3, leaseTtlMs: TTL };
    this.#write(`${name}#${incarnation}`, "start", {
      role: "consumer",
      topics: ["orders"],
      groups: ["billing"],
      settings,
    });
    this.#consumers.push({ name, incarnation, leases: new Map(), running: [], settles: [], pausedUntil: 0 });
  }

  #consume(consumer: Process): void {
    for (const [queue, lease] of consumer.leases)
      if (this.#now >= lease.until) this.#lose(consumer, queue, lease.epoch);
    const queue = this.#pick(QUEUES);
    const lease = consumer.leases.get(queue);
    if (lease === undefined) {
      if (this.#chance(0.3)) this.#acquire(consumer, queue);
      else this.#end(consumer);
      return;
    }
    if (this.#chance(0.5)) this.#renew(consumer, queue, lease);
    const choice = this.#pick(12);
    if (choice < 4) this.#start(consumer, queue, lease.epoch);
    else if (choice < 8) this.#end(consumer);
    else if (choice < 10) this.#settle(consumer, queue, lease.epoch);
    else if (choice === 10 && this.#chance(0.2)) this.#hang(consumer, queue, lease);
    else if (choice === 11 && this.#chance(0.2)) this.#release(consumer, queue, lease.epoch);
  }

  #acquire(consumer: Process, queue: number): void {
    const subscription = this.#queues[queue]!;
    const isFree = subscription.holder === undefined || this.#now >= subscription.until;
    if (!isFree && !(this.#has("grantsTwice") && this.#chance(0.2))) return;
    if (isFree) subscription.epoch++;
    subscription.revision++;
    subscription.holder = { process: nameOf(consumer), epoch: subscription.epoch };
    subscription.until = this.#now + TTL;
    if (this.#chance(0.1) && !this.#healed) return; // the answer is lost: nobody knows of this lease
    consumer.leases.set(queue, { epoch: subscription.epoch, until: this.#now + TTL - 3 });
    this.#leaseLine(consumer, "granted", queue, subscription.epoch, {
      revision: subscription.revision,
      logEpoch: this.#logEpoch,
    });
  }

  #renew(consumer: Process, queue: number, lease: { epoch: number; until: number }): void {
    const subscription = this.#queues[queue]!;
    if (!this.#isHolder(consumer, queue, lease.epoch)) return;
    subscription.until = this.#now + TTL;
    lease.until = this.#now + TTL - 3;
  }

  #lose(consumer: Process, queue: number, epoch: number): void {
    consumer.leases.delete(queue);
    this.#leaseLine(consumer, "lost", queue, epoch, {});
    for (const handling of consumer.running)
      if (handling.queue === queue) this.#attemptLine(consumer, "aborted", handling);
    for (const settle of consumer.settles.filter((each) => each.queue === queue)) {
      consumer.settles.splice(consumer.settles.indexOf(settle), 1);
      if (this.#chance(0.5))
        this.#leaseLine(consumer, "settleRefused", queue, epoch, { ...settle.message, code: "STALE_EPOCH" });
    }
  }

  #start(consumer: Process, queue: number, epoch: number): void {
    const subscription = this.#queues[queue]!;
    const inHand = consumer.running.filter((each) => each.queue === queue);
    if (
      inHand.filter((each) => !each.abandoned && each.epoch === epoch).length >= this.#options.concurrency ||
      subscription.halted
    )
      return;
    if (!this.#isHolder(consumer, queue, epoch)) return; // nothing is delivered to it any more
    const busy = this.#has("forgetsInHand")
      ? inHand.filter((each) => each.epoch === epoch)
      : inHand.filter((each) => !each.abandoned);
    const done = new Set(consumer.settles.filter((each) => each.queue === queue).map((each) => each.message.offset));
    const waiting = this.#deliverable(subscription, done).filter(
      (offset) =>
        !busy.some(
          (each) =>
            each.offset === offset ||
            (each.message.key !== null && each.message.key === subscription.entries[offset]!.key),
        ),
    );
    const offset = waiting[this.#pick(Math.max(1, waiting.length))];
    if (offset === undefined) return;
    const attempt = (subscription.attempts.get(offset) ?? 0) + 1;
    const handling = {
      queue,
      offset,
      message: this.#placed(queue, offset),
      attempt,
      epoch,
      hung: false,
      abandoned: false,
    };
    consumer.running.push(handling);
    this.#attemptLine(consumer, "handling", handling);
  }

  /** Of each key the message whose turn it is. */
  #deliverable(subscription: Subscription, done: ReadonlySet<number>): number[] {
    const found: number[] = [];
    const keys = new Set<string>();
    for (const { offsets, open } of subscription.strands.values()) {
      const next = offsets.find((offset) => !done.has(offset));
      if (open && next !== undefined) found.push(next);
    }
    for (let offset = 0; offset < subscription.flushed; offset++) {
      if (subscription.classes.has(offset) || done.has(offset)) continue;
      const { key } = subscription.entries[offset]!;
      const strand = key === null ? undefined : subscription.strands.get(key);
      if (strand !== undefined && !this.#has("leaksParked")) {
        strand.offsets.push(offset);
        subscription.classes.set(offset, "parked");
        continue;
      }
      if (this.#has("leavesBehind") && offset % 50 === 7) continue;
      const isBehindFailed =
        this.#has("overtakesFailed") && (subscription.attempts.get(offset) ?? 0) > 0 && this.#chance(0.3);
      if (key !== null && keys.has(key)) continue;
      if (isBehindFailed) continue;
      if (key !== null) keys.add(key);
      found.push(offset);
    }
    return found;
  }

  #end(consumer: Process): void {
    const handling = consumer.running[this.#pick(Math.max(1, consumer.running.length))];
    if (handling === undefined || (handling.hung && this.#chance(0.8))) return;
    consumer.running.splice(consumer.running.indexOf(handling), 1);
    const { queue, message, offset } = handling;
    const isCurrent =
      consumer.leases.has(queue) && !handling.abandoned && consumer.leases.get(queue)!.epoch >= handling.epoch;
    const carriesOn =
      isCurrent && (consumer.leases.get(queue)!.epoch === handling.epoch || this.#isCarriedOver(consumer, handling));
    if (this.#chance(0.8)) {
      this.#attemptLine(consumer, "handled", handling);
      if (carriesOn) consumer.settles.push({ queue, message, repeated: false });
      return;
    }
    this.#attemptLine(consumer, "failed", handling);
    if (!carriesOn || !this.#isHolder(consumer, queue, consumer.leases.get(queue)!.epoch)) return;
    this.#queues[queue]!.attempts.set(offset, handling.attempt);
    if (handling.attempt >= 3) this.#exhaust(consumer, handling);
  }

  /** A raised lease takes what is in hand along; a new one does not. */
  #isCarriedOver(consumer: Process, handling: Handling): boolean {
    return this.#raised.has(`${nameOf(consumer)}/${handling.queue}/${handling.epoch}`);
  }
  readonly #raised = new Set<string>();

  #exhaust(consumer: Process, { queue, message, offset }: Handling): void {
    const subscription = this.#queues[queue]!;
    const { exhausted } = this.#options;
    const { epoch } = consumer.leases.get(queue)!;
    if (exhausted === "halt") {
      subscription.halted = true;
      return;
    }
    // What was handled before goes ahead: else a predecessor could end up behind the head it preceded.
    this.#settle(consumer, queue, epoch);
    const revision = ++subscription.revision;
    const followers: number[] = [];
    subscription.attempts.delete(offset);
    subscription.classes.set(offset, "deadLettered");
    if (exhausted === "park" && message.key !== null) {
      const strand = subscription.strands.get(message.key);
      if (strand !== undefined) strand.open = false;
      else {
        for (let each = offset + 1; each < subscription.flushed; each++) {
          if (subscription.entries[each]!.key === message.key && !subscription.classes.has(each)) followers.push(each);
        }
        for (const each of followers) if (!this.#has("leaksParked")) subscription.classes.set(each, "parked");
        subscription.strands.set(message.key, {
          offsets: [offset, ...(this.#has("leaksParked") ? [] : followers)],
          open: false,
        });
      }
    }
    this.#leaseLine(consumer, "deadLettered", queue, epoch, { ...message, revision });
    for (const each of followers)
      this.#leaseLine(consumer, "parked", queue, epoch, { ...this.#placed(queue, each), revision });
  }

  #settle(consumer: Process, queue: number, epoch: number): void {
    const subscription = this.#queues[queue]!;
    const batch = consumer.settles.filter((each) => each.queue === queue);
    if (batch.length === 0) return;
    const isStale = !this.#isHolder(consumer, queue, epoch);
    if (isStale && !this.#has("acceptsStaleSettles")) {
      for (const settle of batch) {
        consumer.settles.splice(consumer.settles.indexOf(settle), 1);
        this.#leaseLine(consumer, "settleRefused", queue, epoch, { ...settle.message, code: "STALE_EPOCH" });
      }
      return;
    }
    const revision = ++subscription.revision;
    for (const { message } of batch) {
      const { offset, key } = message;
      if (this.#has("settlesUpTo"))
        for (let each = 0; each < offset; each++)
          if (!subscription.classes.has(each)) subscription.classes.set(each, "settled");
      subscription.classes.set(offset, "settled");
      const strand = key === null ? undefined : subscription.strands.get(key);
      if (key === null || strand === undefined || !strand.offsets.includes(offset)) continue;
      strand.offsets.splice(strand.offsets.indexOf(offset), 1);
      if (strand.offsets.length === 0) subscription.strands.delete(key);
    }
    if (this.#chance(0.15) && !this.#healed) return; // the answer is lost: they are sent again
    for (const settle of batch) {
      consumer.settles.splice(consumer.settles.indexOf(settle), 1);
      this.#leaseLine(consumer, "settled", queue, epoch, { ...settle.message, revision });
    }
  }

  #hang(consumer: Process, queue: number, lease: { epoch: number; until: number }): void {
    const handling = consumer.running.find(
      (each) => each.queue === queue && each.epoch === lease.epoch && !each.abandoned,
    );
    if (handling === undefined) return;
    this.#attemptLine(consumer, "aborted", handling);
    handling.hung = true;
    if (!this.#isHolder(consumer, queue, lease.epoch)) return;
    handling.abandoned = true;
    this.#attemptLine(consumer, "abandoned", handling);
    const subscription = this.#queues[queue]!;
    subscription.attempts.set(handling.offset, handling.attempt);
    this.#raised.add(`${nameOf(consumer)}/${queue}/${lease.epoch}`);
    subscription.epoch++;
    const revision = ++subscription.revision;
    subscription.holder = { process: nameOf(consumer), epoch: subscription.epoch };
    lease.epoch = subscription.epoch;
    this.#leaseLine(consumer, "granted", queue, lease.epoch, { revision, logEpoch: this.#logEpoch });
  }

  #release(consumer: Process, queue: number, epoch: number): void {
    const isBusy = consumer.running.some((each) => each.queue === queue && !each.abandoned);
    if ((isBusy && !this.#has("releasesBusy")) || consumer.settles.some((each) => each.queue === queue)) return;
    if (!this.#isHolder(consumer, queue, epoch)) return;
    const subscription = this.#queues[queue]!;
    subscription.holder = undefined;
    consumer.leases.delete(queue);
    this.#leaseLine(consumer, "released", queue, epoch, { revision: ++subscription.revision });
  }

  #isHolder(consumer: Process, queue: number, epoch: number): boolean {
    const { holder, until } = this.#queues[queue]!;
    return holder?.process === nameOf(consumer) && holder.epoch === epoch && this.#now < until;
  }

  /* ---------- people ---------- */

  #administer(): void {
    const queue = this.#pick(QUEUES);
    const subscription = this.#queues[queue]!;
    for (const [key, strand] of subscription.strands) {
      if (strand.open) continue;
      const revision = ++subscription.revision;
      const [head] = strand.offsets;
      if (this.#chance(0.7) || head === undefined) {
        strand.open = true;
        for (const offset of strand.offsets) this.#aside("redriven", queue, offset, revision);
      } else {
        strand.offsets.shift();
        subscription.classes.set(head, "discarded");
        strand.open = true;
        this.#aside("discarded", queue, head, revision);
        if (strand.offsets.length === 0) subscription.strands.delete(key);
      }
      return;
    }
    if (this.#healed || this.#chance(0.9)) return;
    this.#seek(queue, subscription);
  }

  #seek(queue: number, subscription: Subscription): void {
    const from = cursorOf(subscription);
    const to = Math.min(subscription.flushed, Math.max(0, from - 3 + this.#pick(5)));
    const revision = ++subscription.revision;
    subscription.epoch++;
    subscription.holder = undefined;
    for (let offset = from; offset < to; offset++)
      if (!subscription.classes.has(offset)) subscription.classes.set(offset, "skipped");
    for (const offset of [...subscription.classes.keys()]) if (offset >= to) subscription.classes.delete(offset);
    for (const offset of [...subscription.attempts.keys()]) if (offset >= to) subscription.attempts.delete(offset);
    for (const [key, strand] of subscription.strands) {
      const kept = strand.offsets.filter((offset) => offset < to);
      if (kept.length === 0) subscription.strands.delete(key);
      else strand.offsets.splice(0, strand.offsets.length, ...kept);
    }
    this.#write("admin#1", "sought", { topic: "orders", queue, group: "billing", from, to, revision });
  }

  #state(queue: number): void {
    const subscription = this.#queues[queue]!;
    const cursor = cursorOf(subscription);
    const of = (name: Class) => [...subscription.classes].filter(([, each]) => each === name).map(([offset]) => offset);
    const settled = of("settled");
    const state = {
      cursor,
      settledRanges: settled.filter((offset) => offset >= cursor).map((offset) => [offset, offset + 1] as const),
      settled: settled.length,
      deadLettered: of("deadLettered"),
      parked: of("parked"),
      discarded: this.#has("countsTwice") ? [...of("discarded"), ...settled.slice(0, 1)] : of("discarded"),
      skipped: of("skipped").length,
      halted: subscription.halted,
    };
    this.#script.state(subscription.entries.length, { ...state, queue, logEpoch: this.#logEpoch });
  }

  /* ---------- lines ---------- */

  #placed(queue: number, offset: number): Placed {
    const { id, key } = this.#queues[queue]!.entries[offset]!;
    return { topic: "orders", queue, offset, logEpoch: this.#logEpoch, id, key };
  }
  #aside(type: "redriven" | "discarded", queue: number, offset: number, revision: number): void {
    this.#script.admin(type, this.#placed(queue, offset), revision);
  }
  #leaseLine(consumer: Process, type: HistoryEventType, queue: number, epoch: number, fields: object): void {
    this.#write(nameOf(consumer), type, {
      topic: "orders",
      queue,
      group: "billing",
      consumer: consumer.name,
      epoch,
      ...fields,
    });
  }
  #attemptLine(consumer: Process, type: HistoryEventType, { queue, epoch, attempt, message }: Handling): void {
    this.#leaseLine(consumer, type, queue, epoch, { ...message, attempt });
  }
  #write(process: string, type: HistoryEventType, fields: object = {}): void {
    this.#script.write(process, type, fields as Readonly<Record<string, unknown>>);
  }

  #has(bug: Bug): boolean {
    return this.#options.bug === bug;
  }
  #chance(probability: number): boolean {
    return this.#pick(1_000_000) < probability * 1_000_000;
  }
  /** A whole number below the bound (mulberry32). */
  #pick(below: number): number {
    this.#random = (this.#random + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#random ^ (this.#random >>> 15), 1 | this.#random);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  }
}

function newSubscription(): Subscription {
  return {
    entries: [],
    flushed: 0,
    revision: 0,
    epoch: 0,
    holder: undefined,
    until: 0,
    halted: false,
    classes: new Map(),
    attempts: new Map(),
    strands: new Map(),
  };
}

function nameOf(consumer: Process): string {
  return `${consumer.name}#${consumer.incarnation}`;
}

function cursorOf({ classes, flushed }: Subscription): number {
  let cursor = 0;
  while (cursor < flushed && classes.has(cursor)) cursor++;
  return cursor;
}
