import { checkHistory } from "./check-history.ts";
import type {
  FaultEvent,
  HistoryDurability,
  HistoryEvent,
  HistoryEventType,
  HistorySettings,
  StateEvent,
} from "./history-event.ts";
import type { PromiseId, Verdict } from "./verdict.ts";

/** A message at its place. */
export interface Placed {
  readonly topic: string;
  readonly queue: number;
  readonly offset: number;
  readonly logEpoch: number;
  readonly id: string;
  readonly key: string | null;
}

export function placed(id: string, key: string | null, offset: number, where: Partial<Placed> = {}): Placed {
  return { topic: "orders", queue: 0, logEpoch: 1, id, key, offset, ...where };
}

type Fields = Readonly<Record<string, unknown>>;

/** Writes a history by hand: each process counts its own lines, the clock goes 10 ms a line. */
export class HistoryScript {
  readonly events: HistoryEvent[] = [];
  readonly #next = new Map<string, number>();

  write(process: string, type: HistoryEventType, fields: Fields = {}): void {
    const n = this.#next.get(process) ?? 0;
    this.#next.set(process, n + 1);
    this.events.push({
      process,
      n,
      at: 1_000_000 + this.events.length * 10,
      type,
      ...fields,
    } as unknown as HistoryEvent);
  }

  producer(process: string, settings: HistorySettings = {}, of: { readonly principal?: string } = {}): ProducerScript {
    this.write(process, "start", { role: "producer", ...of, topics: ["orders"], settings });
    return new ProducerScript(this, process);
  }
  consumer(process: string, settings: HistorySettings = {}): ConsumerScript {
    this.write(process, "start", { role: "consumer", topics: ["orders"], groups: ["billing"], settings });
    return new ConsumerScript(this, process);
  }
  end(...processes: string[]): void {
    for (const process of processes) this.write(process, "end");
  }
  fault(fault: string, target: string, fields: Partial<FaultEvent> = {}): void {
    this.write("driver#1", "fault", { fault, target, ...fields });
  }
  state(end: number, fields: Partial<StateEvent> = {}): void {
    const empty = {
      settledRanges: [],
      filtered: 0,
      skipped: 0,
      expired: 0,
      deadLettered: [],
      parked: [],
      discarded: [],
    };
    const where = { topic: "orders", queue: 0, group: "billing", logEpoch: 1 };
    this.write("driver#1", "state", { ...where, ...empty, start: 0, end, cursor: end, ...fields });
  }
  admin(type: "redriven" | "discarded", message: Placed, revision: number): void {
    this.write("admin#1", type, { ...message, group: "billing", revision });
  }
  sought(from: number, to: number, revision: number): void {
    this.write("admin#1", "sought", { topic: "orders", queue: 0, group: "billing", from, to, revision });
  }

  check(): Promise<Verdict> {
    return checkHistory(this.events);
  }
  /** The promises found broken, without repetition, and the first sentence about each. */
  async broken(): Promise<Partial<Record<PromiseId, string>>> {
    const broken: Partial<Record<PromiseId, string>> = {};
    for (const { promise, text } of (await this.check()).violations) broken[promise] ??= text;
    return broken;
  }
}

export class ProducerScript {
  readonly #script: HistoryScript;
  readonly process: string;

  constructor(script: HistoryScript, process: string) {
    this.#script = script;
    this.process = process;
  }

  sending(message: Placed, ordinal: number, fields: Fields = {}): void {
    const { topic, id, key } = message;
    this.#script.write(this.process, "sending", { topic, id, key, ordinal, durability: "flushed", ...fields });
  }
  sent(message: Placed, fields: Fields = {}): void {
    this.#script.write(this.process, "sent", { ...message, durability: "flushed", ...fields });
  }
  send(message: Placed, ordinal: number, durability: HistoryDurability = "flushed"): void {
    this.sending(message, ordinal, { durability });
    this.sent(message, { durability });
  }
  refused({ topic, id, key }: Placed, fields: Fields): void {
    this.#script.write(this.process, "refused", { topic, id, key, ...fields });
  }
  tailLost(from: number, to: number): void {
    this.#script.write(this.process, "tailLost", { topic: "orders", queue: 0, from, to });
  }
}

export class ConsumerScript {
  readonly #script: HistoryScript;
  readonly process: string;

  constructor(script: HistoryScript, process: string) {
    this.#script = script;
    this.process = process;
  }

  granted(epoch: number, revision: number, fields: Fields = {}): LeaseScript {
    const lease = {
      topic: "orders",
      queue: 0,
      group: "billing",
      consumer: this.process.replace(/#.*/, ""),
      epoch,
      ...fields,
    };
    this.#script.write(this.process, "granted", { ...lease, revision });
    return this.lease(lease);
  }
  /** A lease that this process acts under without having been granted it. */
  lease(lease: Fields): LeaseScript {
    return new LeaseScript(this.#script, this.process, lease);
  }
}

export class LeaseScript {
  readonly #script: HistoryScript;
  readonly #process: string;
  readonly #lease: Fields;

  constructor(script: HistoryScript, process: string, lease: Fields) {
    this.#script = script;
    this.#process = process;
    this.#lease = lease;
  }

  #write(type: HistoryEventType, fields: Fields): void {
    this.#script.write(this.#process, type, { ...this.#lease, ...fields });
  }
  handling(message: Placed, attempt = 1): void {
    this.#write("handling", { ...message, attempt });
  }
  handled(message: Placed, attempt = 1): void {
    this.#write("handled", { ...message, attempt });
  }
  failed(message: Placed, attempt = 1): void {
    this.#write("failed", { ...message, attempt, error: "boom" });
  }
  aborted(message: Placed, attempt = 1): void {
    this.#write("aborted", { ...message, attempt, reason: "handler timeout" });
  }
  abandoned(message: Placed, attempt = 1): void {
    this.#write("abandoned", { ...message, attempt, reason: "handler timeout" });
  }
  settled(message: Placed, revision: number): void {
    this.#write("settled", { ...message, revision });
  }
  settleRefused(message: Placed, code = "STALE_EPOCH"): void {
    this.#write("settleRefused", { ...message, code });
  }
  parked(message: Placed, revision: number): void {
    this.#write("parked", { ...message, revision });
  }
  deadLettered(message: Placed, revision: number): void {
    this.#write("deadLettered", { ...message, revision });
  }
  /** Handles a message and has it settled. */
  does(message: Placed, revision: number, attempt = 1): void {
    this.handling(message, attempt);
    this.handled(message, attempt);
    this.settled(message, revision);
  }
  /** Tries a message in vain. */
  fails(message: Placed, attempt = 1): void {
    this.handling(message, attempt);
    this.failed(message, attempt);
  }
  released(revision: number): void {
    this.#write("released", { revision });
  }
  lost(): void {
    this.#write("lost", { reason: "expired" });
  }
}

/** Two messages of one key and one of another, sent and to be consumed. */
export function threeSent(
  script: HistoryScript,
  durability: HistoryDurability = "flushed",
): readonly [Placed, Placed, Placed] {
  const messages = [placed("m0", "a", 0), placed("m1", "a", 1), placed("m2", "b", 2)] as const;
  const shop = script.producer("shop#1");
  shop.send(messages[0], 0, durability);
  shop.send(messages[1], 1, durability);
  shop.send(messages[2], 0, durability);
  return messages;
}
