import { setTimeout as sleep } from "node:timers/promises";
import type { Codec, Transport } from "@seriatim/actors";
import { type Client, createClient } from "@seriatim/actors/client";
import { BOARD } from "./open-broker.ts";
import { until } from "./until.fixture.ts";

const KEYS = 8;
const PAUSE_MS = 5;

/** What became of the honest client's work. */
export interface Outcome {
  readonly sent: number;
  readonly handled: number;
  /** Handled a second time: only where its broker was started again. */
  readonly again: number;
  readonly outOfOrder: number;
  readonly failed: readonly unknown[];
  /** Times it dialled: 1, unless a link was cut. */
  readonly links: number;
}
/** The transport, with a count of the links it has dialled. */
export const counted = (transport: Transport, links: { count: number }): Transport => ({
  dial: (options) => {
    links.count++;
    return transport.dial(options);
  },
});
/**
 * A producer and a consumer on a topic of their own, at work all the time:
 * one message of each key, and the next when that is acknowledged.
 */
export class Honest {
  readonly #client: Client;
  readonly #links: { count: number };
  readonly #sending: Promise<void>;
  readonly #running: Promise<void>;
  readonly #consumer;
  readonly #producer;
  readonly #failed: unknown[] = [];
  #sent = 0;
  #handled = 0;
  #again = 0;
  #outOfOrder = 0;
  #isOver = false;

  static async start(transport: Transport, codec: Codec): Promise<Honest> {
    const links = { count: 0 };
    const options = { transport: counted(transport, links), codec, token: "honest", name: "honest" };
    const honest = new Honest(await createClient(options), links);
    await until(() => honest.#handled >= KEYS, "the honest client to be at work");
    return honest;
  }
  private constructor(client: Client, links: { count: number }) {
    this.#client = client;
    this.#links = links;
    this.#producer = client.producer(BOARD);
    this.#consumer = client.consumer(BOARD, { group: "honest" });
    const last = new Map<string | null, number>();
    this.#running = this.#consumer.run(({ key, body: { n } }) => {
      const next = (last.get(key) ?? -1) + 1;
      if (n < next) {
        this.#again++;
        return;
      }
      if (n !== next) this.#outOfOrder++;
      last.set(key, n);
      this.#handled++;
    });
    this.#sending = this.#send();
  }
  async #send(): Promise<void> {
    for (let n = 0; !this.#isOver; n++) {
      const sends = Array.from({ length: KEYS }, (_, key) => this.#producer.send({ n }, { key: `key-${key}` }));
      for (const { status, reason } of (await Promise.allSettled(sends)) as PromiseRejectedResult[]) {
        if (status === "rejected") this.#failed.push(reason);
        else this.#sent++;
      }
      await sleep(PAUSE_MS);
    }
  }
  /** Handles what is left, and leaves. */
  async finish(): Promise<Outcome> {
    this.#isOver = true;
    await this.#sending;
    await this.#consumer.caughtUp();
    await this.#consumer.close();
    await this.#running;
    await this.#client.close();
    return {
      sent: this.#sent,
      handled: this.#handled,
      again: this.#again,
      outOfOrder: this.#outOfOrder,
      failed: this.#failed,
      links: this.#links.count,
    };
  }
}
