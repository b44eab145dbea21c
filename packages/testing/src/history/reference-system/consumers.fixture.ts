import type { HistoryEventType } from "../history-event.ts";
import type { Placed } from "../history-script.fixture.ts";
import { QUEUES, type ReferenceQueue, TTL, type World } from "./world.fixture.ts";

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

/**
 * Three consumers: leases, handlers that fail or hang, settles whose answers are lost, setting aside, and being killed
 * or stopped on the way.
 */
export class ReferenceConsumers {
  readonly #world: World;
  readonly #consumers: Process[] = [];

  constructor(world: World) {
    this.#world = world;
    for (const number of [1, 2, 3]) this.#join(`worker-${number}`, 1);
  }

  /** One of them does something, unless it is stopped. */
  step(): void {
    const consumer = this.#any();
    if (consumer.pausedUntil <= this.#world.now) this.#consume(consumer);
  }
  kill(): void {
    const consumer = this.#any();
    this.#world.script.fault("kill", nameOf(consumer));
    this.#consumers.splice(this.#consumers.indexOf(consumer), 1);
    this.#join(consumer.name, consumer.incarnation + 1);
  }
  pause(): void {
    const consumer = this.#any();
    this.#world.script.fault("pause", nameOf(consumer));
    consumer.pausedUntil = this.#world.now + this.#world.pick(3 * TTL);
  }
  resumeAll(): void {
    for (const consumer of this.#consumers) consumer.pausedUntil = 0;
  }
  end(): void {
    this.#world.script.end(...this.#consumers.map(nameOf));
  }
  #any(): Process {
    return this.#consumers[this.#world.pick(this.#consumers.length)]!;
  }

  #join(name: string, incarnation: number): void {
    const { concurrency, exhausted } = this.#world.options;
    const settings = { concurrency, exhausted, attempts: 3, leaseTtlMs: TTL };
    this.#world.write(`${name}#${incarnation}`, "start", {
      role: "consumer",
      topics: ["orders"],
      groups: ["billing"],
      settings,
    });
    this.#consumers.push({ name, incarnation, leases: new Map(), running: [], settles: [], pausedUntil: 0 });
  }

  #consume(consumer: Process): void {
    for (const [queue, lease] of consumer.leases)
      if (this.#world.now >= lease.until) this.#lose(consumer, queue, lease.epoch);
    const queue = this.#world.pick(QUEUES);
    const lease = consumer.leases.get(queue);
    if (lease === undefined) {
      if (this.#world.chance(0.3)) this.#acquire(consumer, queue);
      else this.#end(consumer);
      return;
    }
    if (this.#world.chance(0.5)) this.#renew(consumer, queue, lease);
    const choice = this.#world.pick(12);
    if (choice < 4) this.#start(consumer, queue, lease.epoch);
    else if (choice < 8) this.#end(consumer);
    else if (choice < 10) this.#settle(consumer, queue, lease.epoch);
    else if (choice === 10 && this.#world.chance(0.2)) this.#hang(consumer, queue, lease);
    else if (choice === 11 && this.#world.chance(0.2)) this.#release(consumer, queue, lease.epoch);
  }

  #acquire(consumer: Process, queue: number): void {
    const subscription = this.#world.queues[queue]!;
    const isFree = subscription.holder === undefined || this.#world.now >= subscription.until;
    if (!isFree && !(this.#world.has("grantsTwice") && this.#world.chance(0.2))) return;
    if (isFree) subscription.epoch++;
    subscription.revision++;
    subscription.holder = { process: nameOf(consumer), epoch: subscription.epoch };
    subscription.until = this.#world.now + TTL;
    if (this.#world.chance(0.1) && !this.#world.healed) return; // the answer is lost: nobody knows of this lease
    consumer.leases.set(queue, { epoch: subscription.epoch, until: this.#world.now + TTL - 3 });
    this.#leaseLine(consumer, "granted", queue, subscription.epoch, {
      revision: subscription.revision,
      logEpoch: this.#world.logEpoch,
    });
  }

  #renew(consumer: Process, queue: number, lease: { epoch: number; until: number }): void {
    const subscription = this.#world.queues[queue]!;
    if (!this.#isHolder(consumer, queue, lease.epoch)) return;
    subscription.until = this.#world.now + TTL;
    lease.until = this.#world.now + TTL - 3;
  }

  #lose(consumer: Process, queue: number, epoch: number): void {
    consumer.leases.delete(queue);
    this.#leaseLine(consumer, "lost", queue, epoch, {});
    for (const handling of consumer.running)
      if (handling.queue === queue) this.#attemptLine(consumer, "aborted", handling);
    for (const settle of consumer.settles.filter((each) => each.queue === queue)) {
      consumer.settles.splice(consumer.settles.indexOf(settle), 1);
      if (this.#world.chance(0.5))
        this.#leaseLine(consumer, "settleRefused", queue, epoch, { ...settle.message, code: "STALE_EPOCH" });
    }
  }

  #start(consumer: Process, queue: number, epoch: number): void {
    const subscription = this.#world.queues[queue]!;
    const inHand = consumer.running.filter((each) => each.queue === queue);
    if (
      inHand.filter((each) => !each.abandoned && each.epoch === epoch).length >= this.#world.options.concurrency ||
      subscription.halted
    )
      return;
    if (!this.#isHolder(consumer, queue, epoch)) return; // nothing is delivered to it any more
    const busy = this.#world.has("forgetsInHand")
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
    const offset = waiting[this.#world.pick(Math.max(1, waiting.length))];
    if (offset === undefined) return;
    const attempt = (subscription.attempts.get(offset) ?? 0) + 1;
    const handling = {
      queue,
      offset,
      message: this.#world.placed(queue, offset),
      attempt,
      epoch,
      hung: false,
      abandoned: false,
    };
    consumer.running.push(handling);
    this.#attemptLine(consumer, "handling", handling);
  }

  /** Of each key the message whose turn it is. */
  #deliverable(subscription: ReferenceQueue, done: ReadonlySet<number>): number[] {
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
      if (strand !== undefined && !this.#world.has("leaksParked")) {
        strand.offsets.push(offset);
        subscription.classes.set(offset, "parked");
        continue;
      }
      if (this.#world.has("leavesBehind") && offset % 50 === 7) continue;
      const isBehindFailed =
        this.#world.has("overtakesFailed") && (subscription.attempts.get(offset) ?? 0) > 0 && this.#world.chance(0.3);
      if (key !== null && keys.has(key)) continue;
      if (isBehindFailed) continue;
      if (key !== null) keys.add(key);
      found.push(offset);
    }
    return found;
  }

  #end(consumer: Process): void {
    const handling = consumer.running[this.#world.pick(Math.max(1, consumer.running.length))];
    if (handling === undefined || (handling.hung && this.#world.chance(0.8))) return;
    consumer.running.splice(consumer.running.indexOf(handling), 1);
    const { queue, message, offset } = handling;
    const isCurrent =
      consumer.leases.has(queue) && !handling.abandoned && consumer.leases.get(queue)!.epoch >= handling.epoch;
    const carriesOn =
      isCurrent && (consumer.leases.get(queue)!.epoch === handling.epoch || this.#isCarriedOver(consumer, handling));
    if (this.#world.chance(0.8)) {
      this.#attemptLine(consumer, "handled", handling);
      if (carriesOn) consumer.settles.push({ queue, message, repeated: false });
      return;
    }
    this.#attemptLine(consumer, "failed", handling);
    if (!carriesOn || !this.#isHolder(consumer, queue, consumer.leases.get(queue)!.epoch)) return;
    this.#world.queues[queue]!.attempts.set(offset, handling.attempt);
    if (handling.attempt >= 3) this.#exhaust(consumer, handling);
  }

  /** A raised lease takes what is in hand along; a new one does not. */
  #isCarriedOver(consumer: Process, handling: Handling): boolean {
    return this.#raised.has(`${nameOf(consumer)}/${handling.queue}/${handling.epoch}`);
  }
  readonly #raised = new Set<string>();

  #exhaust(consumer: Process, { queue, message, offset }: Handling): void {
    const subscription = this.#world.queues[queue]!;
    const { exhausted } = this.#world.options;
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
        for (const each of followers) if (!this.#world.has("leaksParked")) subscription.classes.set(each, "parked");
        subscription.strands.set(message.key, {
          offsets: [offset, ...(this.#world.has("leaksParked") ? [] : followers)],
          open: false,
        });
      }
    }
    this.#leaseLine(consumer, "deadLettered", queue, epoch, { ...message, revision });
    for (const each of followers)
      this.#leaseLine(consumer, "parked", queue, epoch, { ...this.#world.placed(queue, each), revision });
  }

  #settle(consumer: Process, queue: number, epoch: number): void {
    const subscription = this.#world.queues[queue]!;
    const batch = consumer.settles.filter((each) => each.queue === queue);
    if (batch.length === 0) return;
    const isStale = !this.#isHolder(consumer, queue, epoch);
    if (isStale && !this.#world.has("acceptsStaleSettles")) {
      for (const settle of batch) {
        consumer.settles.splice(consumer.settles.indexOf(settle), 1);
        this.#leaseLine(consumer, "settleRefused", queue, epoch, { ...settle.message, code: "STALE_EPOCH" });
      }
      return;
    }
    const revision = ++subscription.revision;
    for (const { message } of batch) {
      const { offset, key } = message;
      if (this.#world.has("settlesUpTo"))
        for (let each = 0; each < offset; each++)
          if (!subscription.classes.has(each)) subscription.classes.set(each, "settled");
      subscription.classes.set(offset, "settled");
      const strand = key === null ? undefined : subscription.strands.get(key);
      if (key === null || strand === undefined || !strand.offsets.includes(offset)) continue;
      strand.offsets.splice(strand.offsets.indexOf(offset), 1);
      if (strand.offsets.length === 0) subscription.strands.delete(key);
    }
    if (this.#world.chance(0.15) && !this.#world.healed) return; // the answer is lost: they are sent again
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
    const subscription = this.#world.queues[queue]!;
    subscription.attempts.set(handling.offset, handling.attempt);
    this.#raised.add(`${nameOf(consumer)}/${queue}/${lease.epoch}`);
    subscription.epoch++;
    const revision = ++subscription.revision;
    subscription.holder = { process: nameOf(consumer), epoch: subscription.epoch };
    lease.epoch = subscription.epoch;
    this.#leaseLine(consumer, "granted", queue, lease.epoch, { revision, logEpoch: this.#world.logEpoch });
  }

  #release(consumer: Process, queue: number, epoch: number): void {
    const isBusy = consumer.running.some((each) => each.queue === queue && !each.abandoned);
    if ((isBusy && !this.#world.has("releasesBusy")) || consumer.settles.some((each) => each.queue === queue)) return;
    if (!this.#isHolder(consumer, queue, epoch)) return;
    const subscription = this.#world.queues[queue]!;
    subscription.holder = undefined;
    consumer.leases.delete(queue);
    this.#leaseLine(consumer, "released", queue, epoch, { revision: ++subscription.revision });
  }

  #isHolder(consumer: Process, queue: number, epoch: number): boolean {
    const { holder, until } = this.#world.queues[queue]!;
    return holder?.process === nameOf(consumer) && holder.epoch === epoch && this.#world.now < until;
  }

  #leaseLine(consumer: Process, type: HistoryEventType, queue: number, epoch: number, fields: object): void {
    this.#world.write(nameOf(consumer), type, {
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
}

function nameOf(consumer: Process): string {
  return `${consumer.name}#${consumer.incarnation}`;
}
