import { type Client, type Consumer, type Context, isMessagingError, type Message } from "@seriatim/actors";
import { unitOf, type WorldWrite, type WriteOutcome } from "@seriatim/rig";
import { type RoleSetting, sleep, untilConnected } from "./connect.ts";
import { type ChaosBody, chaosTopic, GROUPS, type GroupName } from "./settings.ts";

const REJOIN_MS = 500;
/** Share of handlings that take a while, and how long at most. */
const SLOW = { rate: 0.01, ms: 60 };
/** Share of redriven attempts of a poisoned message that fail again. */
const STILL_POISON = 0.3;

/**
 * Handles what its leases bring, in both groups:
 * each message is one write to the outside world, guarded by the lease's epoch.
 */
export class ConsumerRole {
  readonly #setting: RoleSetting;
  readonly #write: (write: WorldWrite) => Promise<WriteOutcome>;
  readonly #poison: ReadonlySet<string>;
  readonly #ended = new AbortController();
  #client: Client | null = null;
  #consumers: Consumer<ChaosBody, Context>[] = [];
  #calm = false;
  #resting = false;

  constructor(setting: RoleSetting, write: (write: WorldWrite) => Promise<WriteOutcome>) {
    this.#setting = setting;
    this.#write = write;
    const { topic, attempts, leaseTtlMs, poison } = setting.settings;
    this.#poison = new Set(poison);
    setting.history.record({
      type: "start",
      role: "consumer",
      topics: [topic],
      groups: GROUPS.map(({ name }) => name),
      settings: GROUPS.map(({ name, concurrency }) => ({
        group: name,
        exhausted: "park",
        concurrency,
        leaseTtlMs,
        attempts,
      })),
    });
    this.#start().catch((error: unknown) => {
      if (!this.#ended.signal.aborted) setting.failed(error);
    });
  }
  calm(): void {
    this.#calm = true;
  }
  rest(resting: boolean): void {
    this.#resting = resting;
    for (const consumer of this.#consumers) this.#applyRest(consumer);
  }
  async close(options: { readonly timeoutMs: number }): Promise<void> {
    this.#ended.abort();
    await Promise.all(this.#consumers.map((consumer) => consumer.close(options)));
    await this.#client?.close(options);
    this.#setting.history.end();
  }

  async #start(): Promise<void> {
    this.#client = await untilConnected(this.#setting, this.#ended.signal);
    for (const { name, concurrency } of GROUPS) this.#join(name, concurrency);
  }
  #join(group: GroupName, concurrency: number): void {
    if (this.#client === null || this.#ended.signal.aborted) return;
    const { settings, name, failed } = this.#setting;
    const consumer = this.#client.consumer(chaosTopic(settings), {
      group,
      name,
      concurrency,
      leaseTtlMs: settings.leaseTtlMs,
      retry: { attempts: settings.attempts, initialMs: 10, factor: 2, maxMs: 100 },
      exhausted: "park",
    });
    this.#consumers.push(consumer);
    this.#applyRest(consumer);
    consumer
      .run((message, context) => this.#handle(group, message, context))
      .catch((error: unknown) => {
        if (this.#ended.signal.aborted) return;
        // The broker has not heard yet that the one before is gone.
        if (!isMessagingError(error, "NAME_IN_USE")) return failed(error);
        this.#consumers = this.#consumers.filter((each) => each !== consumer);
        setTimeout(() => this.#join(group, concurrency), REJOIN_MS);
      });
  }
  #applyRest(consumer: Consumer<ChaosBody, Context>): void {
    if (this.#resting) consumer.pause();
    else consumer.resume();
  }
  async #handle(group: GroupName, message: Message<ChaosBody>, { attempt, fence, redriven }: Context): Promise<void> {
    const { seed, failRate } = this.#setting.settings;
    const id = message.id ?? "";
    const draw = (what: string): number => unitOf(`${what} ${group} ${id} ${attempt} ${fence}`, seed);
    const slow = draw("slow");
    if (slow < SLOW.rate) await sleep((slow / SLOW.rate) * SLOW.ms);
    if (!this.#calm) {
      if (this.#poison.has(id) && (!redriven || draw("poison") < STILL_POISON))
        throw new Error("no handler can manage it");
      if (draw("fail") < failRate) throw new Error("the warehouse did not answer");
    }
    // Careless on purpose: it writes although its signal may have fired,
    // so after a freeze only the fence stands between it and the row.
    const outcome = await this.#write({ row: `${message.body.key}, ${group}`, ordinal: message.body.ordinal, fence });
    if (outcome === "refused") throw new Error(`written under epoch ${fence}, and a newer holder has written already`);
  }
}
