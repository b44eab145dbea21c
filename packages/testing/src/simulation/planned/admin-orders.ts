import { type Client, isMessagingError, type SetAsideEntry } from "@seriatim/actors/client";
import { codecOf } from "@seriatim/actors/internals";
import { chance } from "../chance/trace-hash.ts";
import { describeError } from "../engine/describe-error.ts";
import type { OrderPlan } from "./plan.ts";
import type { PlannedWorld, SimulatedBody } from "./planned-world.ts";

const LISTED = 50;
const ASIDE_SMALL = 100;
/** For how long a member that has lost an answer stays away at most, ms. Shorter than any lease. */
const AWAY_MS = 250;
const BECAUSE = { reason: "the simulation says so" };
/** What an order may meet when there are faults about. */
const EXPECTED: ReadonlySet<string> = new Set([
  "INTERNAL",
  "UNAVAILABLE",
  "OUTCOME_UNKNOWN",
  "ENTRY_UNKNOWN",
  "STORE_FAILED",
  "OPTION_INVALID",
  "CLOSED",
  "STORE_IN_USE",
]);

/** The person who looks after what was set aside, while traffic goes on. */
export class AdminOrders {
  readonly #world: PlannedWorld;
  readonly #client: Client;

  constructor(world: PlannedWorld, client: Client) {
    this.#world = world;
    this.#client = client;
  }
  schedule(orders: readonly OrderPlan[]): void {
    for (const order of orders)
      this.#world.runtime.setTimeout(
        () =>
          void (order.unheardBy === undefined ? this.#carryOut(order) : this.#afterLostAnswer(order, order.unheardBy)),
        order.atMs,
      );
  }
  /**
   * Sees to all that is set aside once faults are over; in lines, what there was. A third stays where it is, unless it
   * would
   * fill what may be set aside and so halt the queue.
   */
  async tend(): Promise<readonly string[]> {
    const { seed, topics } = this.#world.plan;
    const left: string[] = [];
    for (const { name: topic, groups, parkedMessagesMax } of topics)
      for (const { name: group } of groups)
        for (const entry of await this.list(topic, group)) {
          const mayStay = entry.kind !== "halted" && parkedMessagesMax > ASIDE_SMALL;
          if (mayStay && chance(seed, "stays", topic, group, entry.entry) < 1 / 3) continue;
          left.push(`${topic} for group ${group}: ${entry.entry} is ${entry.kind}`);
          await this.give({ order: entry.kind === "parked" ? "redrive" : "retry", topic, group }, entry);
        }
    return left;
  }
  #afterLostAnswer(order: OrderPlan, member: string): void {
    const world = this.#world;
    const { network, runtime, history } = world;
    network.trap("broker", member, (packet) => {
      const answered = world.healed ? undefined : asideAnswered(packet);
      if (answered === undefined) return false;
      history.record({ type: "fault", fault: "cut", target: member, lost: "aside.done" });
      const heals = [network.block("broker", member), network.block(member, "broker")];
      const back = (): void => {
        for (const heal of heals) heal();
      };
      runtime.setTimeout(back, AWAY_MS);
      void this.list(order.topic, order.group)
        .then((entries) => {
          const entry = entries.find(({ kind, message: { queue, offset } }) =>
            answered === null ? kind === "halted" : queue === answered.queue && answered.offsets.includes(offset),
          );
          return entry === undefined ? undefined : this.give(order, entry);
        })
        .finally(back);
      return true;
    });
  }
  async #carryOut(order: OrderPlan): Promise<void> {
    const entries = await this.list(order.topic, order.group);
    const entry = entries[order.pick % Math.max(1, entries.length)];
    if (entry !== undefined) await this.give(order, entry);
  }
  async list(topic: string, group: string): Promise<SetAsideEntry<SimulatedBody>[]> {
    const entries: SetAsideEntry<SimulatedBody>[] = [];
    try {
      for await (const entry of this.#aside(topic, group).list({ limit: LISTED })) entries.push(entry);
    } catch (error) {
      this.#expect("list", error);
    }
    return entries;
  }
  async give(
    { order, topic, group }: Pick<OrderPlan, "order" | "topic" | "group">,
    entry: SetAsideEntry<SimulatedBody>,
  ): Promise<void> {
    const world = this.#world;
    const aside = this.#aside(topic, group);
    const { key, message } = entry;
    if (key !== null && (order === "discard" || order === "skip")) world.effects.mayHaveGaps(topic, group, key);
    if (order !== "discard" && order !== "skip") world.mended(topic, group, key);
    try {
      if (order === "retry") await aside.retry(entry.entry, BECAUSE);
      else if (order === "skip") await aside.skip(entry.entry, BECAUSE);
      else if (order === "replace" && !message.withheld) await aside.replace(entry.entry, message.body, BECAUSE);
      else if (key !== null && order === "redrive") await aside.redrive(key, BECAUSE);
      else if (key !== null) await aside.discard(key, BECAUSE);
    } catch (error) {
      if (isMessagingError(error, "OUTCOME_UNKNOWN")) {
        world.counters.hit("orderOutcomeUnknown");
        world.unclear.add(world.keyName(topic, group, key));
      }
      this.#expect(order, error);
    }
  }
  #aside(topic: string, group: string) {
    return this.#client.admin.setAside(this.#world.topic(topic).topic, { group });
  }
  #expect(order: string, error: unknown): void {
    if (isMessagingError(error) && EXPECTED.has(error.code)) return;
    this.#world.violate("P11", `order "${order}" was answered with ${describeError(error)}`);
  }
}

/**
 * What the packet says was set aside; null: nothing, the queue has halted. Undefined where it answers nothing of the
 * kind.
 */
function asideAnswered(
  packet: Uint8Array,
): { readonly queue: number; readonly offsets: readonly number[] } | null | undefined {
  for (const frame of codecOf(packet).decode(packet)) {
    if (frame.type === "aside.done") return frame.offsets.length === 0 ? null : frame;
    if (frame.type === "refused" && frame.error.code === "LIMIT_EXCEEDED") return null;
  }
  return undefined;
}
