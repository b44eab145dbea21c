import { type Client, isMessagingError, type Producer } from "@seriatim/actors";
import type { ProducerStatus } from "./child-messages.ts";
import { type RoleSetting, sleep, untilConnected } from "./connect.ts";
import type { Outbox } from "./outbox.ts";
import { type ChaosBody, chaosTopic, PRODUCERS } from "./settings.ts";

const TICK_MS = 10;
const BURST_SECONDS = 0.25;
/** Longer than any fault: a send waits rather than fails. */
const SEND_TIMEOUT_MS = 90_000;
const AGAIN_MS = 150;

/** Messages of one key that are on their way or wait for their turn. */
interface KeyLane {
  waiting: number[];
  readonly failed: number[];
  underWay: number;
}

/**
 * Sends what its outbox has not seen acknowledged, in the log's order and at its rate,
 * without waiting for receipts. When a send of a key fails, that key waits until the others
 * of it have ended and begins again at the first without a receipt, under the same ids.
 */
export class ProducerRole {
  readonly #setting: RoleSetting;
  readonly #outbox: Outbox;
  readonly #keys = new Map<string, KeyLane>();
  readonly #ended = new AbortController();
  readonly #plan: (typeof PRODUCERS)[number];
  #client: Client | null = null;
  #producer: Producer<ChaosBody, "derived"> | null = null;
  #refused = 0;
  #allowed = 0;
  #padding = "";

  constructor(setting: RoleSetting, outbox: Outbox) {
    this.#setting = setting;
    this.#outbox = outbox;
    this.#plan = PRODUCERS.find(({ name }) => name === setting.name) ?? PRODUCERS[0];
    setting.history.record({
      type: "start",
      role: "producer",
      topics: [setting.settings.topic],
      settings: { durability: this.#plan.durability, failover: "strict" },
    });
    this.#run().catch((error: unknown) => {
      if (!this.#ended.signal.aborted) setting.failed(error);
    });
  }
  get status(): ProducerStatus {
    const blocked = this.#client?.actors.list("lane").some(({ state }) => state === "blocked") ?? false;
    return { acknowledged: this.#outbox.acknowledged, refused: this.#refused, blocked };
  }
  allow(upTo: number): void {
    this.#allowed = Math.max(this.#allowed, upTo);
  }
  pad(bytes: number): void {
    this.#padding = "x".repeat(bytes);
  }
  async close(options: { readonly timeoutMs: number }): Promise<void> {
    this.#ended.abort();
    await this.#producer?.close(options);
    await this.#client?.close(options);
    this.#setting.history.end();
  }

  async #run(): Promise<void> {
    const { settings } = this.#setting;
    const client = await untilConnected(this.#setting, this.#ended.signal);
    this.#client = client;
    const { events } = this.#outbox;
    let next = 0;
    let room = 0;
    let before = performance.now();
    while (!this.#ended.signal.aborted) {
      const now = performance.now();
      const burst = Math.max(1, settings.ratePerProducer * BURST_SECONDS);
      room = Math.min(room + ((now - before) * settings.ratePerProducer) / 1_000, burst);
      before = now;
      const upTo = Math.min(events.length, Math.ceil(this.#allowed * events.length));
      while (room >= 1 && next < upTo) {
        const place = next++;
        if (this.#outbox.isAcknowledged(place)) continue;
        await this.#opened(client).ready({ signal: this.#ended.signal });
        room--;
        const lane = this.#laneOf(place);
        lane.waiting.push(place);
        this.#pump(lane);
      }
      await sleep(TICK_MS);
    }
  }
  #opened(client: Client): Producer<ChaosBody, "derived"> {
    const { name, durability, stableName } = this.#plan;
    this.#producer ??= client.producer(chaosTopic(this.#setting.settings), {
      durability,
      sendTimeoutMs: SEND_TIMEOUT_MS,
      ...(stableName ? { name } : {}),
    });
    return this.#producer;
  }
  #laneOf(place: number): KeyLane {
    const key = this.#outbox.events[place]?.key ?? "";
    let lane = this.#keys.get(key);
    if (lane === undefined) {
      lane = { waiting: [], failed: [], underWay: 0 };
      this.#keys.set(key, lane);
    }
    return lane;
  }
  #pump(lane: KeyLane): void {
    while (lane.failed.length === 0 && lane.waiting.length > 0) this.#send(lane, lane.waiting.shift() as number);
  }
  #send(lane: KeyLane, place: number): void {
    const event = this.#outbox.events[place];
    if (event === undefined || this.#client === null || this.#ended.signal.aborted) return;
    const { key, ordinal, fields, id } = event;
    const producer = this.#opened(this.#client);
    const body = { key, ordinal, fields, ...(this.#padding === "" ? {} : { padding: this.#padding }) };
    lane.underWay++;
    producer.send(body, { id }).then(
      () => {
        this.#outbox.acknowledge(place);
        this.#settled(lane);
      },
      (error: unknown) => {
        this.#refused++;
        lane.failed.push(place);
        const isOver = isMessagingError(error, "PRODUCER_FENCED") || isMessagingError(error, "CLOSED");
        if (isOver && this.#producer === producer) this.#producer = null;
        this.#settled(lane);
      },
    );
  }
  #settled(lane: KeyLane): void {
    lane.underWay--;
    if (lane.failed.length === 0 || lane.underWay > 0) return;
    setTimeout(() => {
      lane.waiting = [...lane.failed.splice(0).sort((a, b) => a - b), ...lane.waiting];
      this.#pump(lane);
    }, AGAIN_MS);
  }
}
