import { type Entry, QUEUES, type World } from "./world.fixture.ts";

interface Send extends Entry {
  acknowledged: boolean;
}
/** One producer incarnation on one queue: `appended` of its sends are in the log. */
interface Lane {
  readonly process: string;
  readonly queue: number;
  sends: Send[];
  offsets: number[];
}
const KEYS = ["a", "b", "c", "d", null];

/** Two producers: lanes that send in order, lose answers, send again, and go on after a crash. */
export class ReferenceProducers {
  readonly #world: World;
  readonly #lanes: Lane[] = [];
  readonly #ordinals = new Map<string, number>();
  readonly #producers = [1, 2].map((number) => ({ name: `shop-${number}`, incarnation: 1 }));
  #sent = 0;

  constructor(world: World) {
    this.#world = world;
    for (const { name } of this.#producers) world.write(`${name}#1`, "start", { role: "producer", settings: {} });
  }
  get done(): boolean {
    return this.#lanes.every((lane) => lane.sends.every((send) => send.acknowledged));
  }

  send(): void {
    const producer = this.#producers[this.#world.pick(2)]!;
    const process = `${producer.name}#${producer.incarnation}`;
    const key = KEYS[this.#world.pick(KEYS.length)]!;
    const queue = key === null ? this.#world.pick(QUEUES) : KEYS.indexOf(key) % QUEUES;
    const counter = `${producer.name}/${key}`;
    const ordinal = this.#ordinals.get(counter) ?? 0;
    this.#ordinals.set(counter, ordinal + 1);
    const id = `m${this.#sent++}`;
    this.#world.write(process, "sending", {
      topic: "orders",
      id,
      key,
      ordinal,
      durability: this.#world.options.durability,
    });
    if (this.#world.chance(0.03)) {
      this.#world.write(process, "refused", { topic: "orders", id, key, code: "SEND_TIMEOUT", outcome: "notAppended" });
      return;
    }
    let lane = this.#lanes.find((each) => each.process === process && each.queue === queue);
    if (lane === undefined) {
      lane = { process, queue, sends: [], offsets: [] };
      this.#lanes.push(lane);
    }
    lane.sends.push({ id, key, acknowledged: false });
  }

  /** A batch reaches the queue; its answer reaches the producer, or does not. */
  transmit(): void {
    const lane = this.#lanes[this.#world.pick(Math.max(1, this.#lanes.length))];
    if (lane === undefined) return;
    const { entries } = this.#world.queues[lane.queue]!;
    const batch = lane.sends.slice(lane.offsets.length, lane.offsets.length + 1 + this.#world.pick(3));
    if (this.#world.has("appendsOutOfOrder") && this.#world.chance(0.2)) batch.reverse();
    for (const send of batch) {
      if (this.#world.has("appendsTwice") && this.#world.chance(0.05)) entries.push(send);
      lane.offsets[lane.sends.indexOf(send)] = entries.length;
      entries.push(send);
    }
    if (this.#world.chance(0.8)) this.#flush(lane.queue);
    if (this.#world.chance(0.3) && !this.#world.healed) return;
    for (const [index, offset] of lane.offsets.entries()) {
      const send = lane.sends[index]!;
      if (
        send.acknowledged ||
        (this.#world.options.durability !== "memory" && offset >= this.#world.queues[lane.queue]!.flushed)
      )
        continue;
      send.acknowledged = true;
      const place = this.#world.placed(lane.queue, offset);
      this.#world.write(lane.process, "sent", { ...place, durability: this.#world.options.durability });
    }
  }

  #flush(queue: number): void {
    const subscription = this.#world.queues[queue]!;
    subscription.flushed = subscription.entries.length;
  }

  /** The lane finds what the queue still has, names what it cannot send again, and goes on behind it. */
  #recover(lane: Lane, end: number): void {
    const kept = lane.offsets.filter((offset) => offset < end).length;
    const lost = lane.sends.slice(kept, lane.offsets.length).filter((send) => send.acknowledged);
    if (lost.length > 0) {
      this.#world.write(lane.process, "tailLost", {
        topic: "orders",
        queue: lane.queue,
        from: kept,
        to: kept + lost.length,
      });
    }
    lane.sends = lane.sends.filter((send, index) => index >= kept && !lost.includes(send));
    lane.offsets = [];
  }

  /** Its messages on the way are left to their fate; the next incarnation goes on with what comes after them. */
  kill(): void {
    const producer = this.#producers[this.#world.pick(2)]!;
    const name = `${producer.name}#${producer.incarnation}`;
    this.#world.script.fault("kill", name);
    for (const lane of this.#lanes.filter((each) => each.process === name))
      this.#lanes.splice(this.#lanes.indexOf(lane), 1);
    producer.incarnation++;
    this.#world.write(`${producer.name}#${producer.incarnation}`, "start", { role: "producer", settings: {} });
  }
  /** The broker is back, and the queue ends at `end`. */
  recover(queue: number, end: number): void {
    for (const lane of this.#lanes) if (lane.queue === queue) this.#recover(lane, end);
  }
}
