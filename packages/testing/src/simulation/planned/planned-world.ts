import { type Message, type Topic, topic, typed } from "@seriatim/actors/client";
import { topicSpec } from "@seriatim/actors/internals";
import { World } from "../engine/world.ts";
import type { LinkSide } from "../network/wires.ts";
import { Effects } from "./effects.ts";
import type { Plan, TopicPlan } from "./plan.ts";

export interface SimulatedBody {
  readonly key: string;
  readonly n: number;
}
export type SimulatedTopic = Topic<SimulatedBody, SimulatedBody, "derived", true>;

/** The world of a planned run: its topics, and what its handlers change. */
export class PlannedWorld extends World {
  readonly plan: Plan;
  readonly effects: Effects;
  readonly topics: readonly SimulatedTopic[];
  /** Keys about which an order's outcome is not known: it may have been carried out without a line that says so. */
  readonly unclear = new Set<string>();
  readonly #kills = new Map<string, number>();
  readonly #mended = new Set<string>();

  constructor(plan: Plan) {
    const topics = plan.topics.map((of) =>
      topic(of.name, {
        schema: typed<SimulatedBody>(),
        key: (body: SimulatedBody) => body.key,
        queues: of.queues,
        ordered: of.ordered as true, // what its consumers may ask for is looked at where they are made
        parkedMessagesMax: of.parkedMessagesMax,
        idWindowMs: of.idWindowMs,
        // one that begins or joins late is not there from the start
        groups: of.groups.filter(({ joinsAtMs }) => joinsAtMs === 0).map(({ name }) => name),
        retention: { settledByAll: of.settledByAll },
      }),
    );
    const { seed, broker, network, producers } = plan;
    super({ seed, broker, network, topics: topics.map((each) => topicSpec(each)) });
    this.plan = plan;
    this.topics = topics;
    const losesPower = plan.faults.some(({ kind }) => kind === "powerLoss");
    const lossy = producers
      .filter(({ durability }) => durability === "memory" || (losesPower && durability === "flushed"))
      .map(({ name }) => name);
    this.effects = new Effects((promise, text) => this.violate(promise, text), new Set(lossy));
    for (const of of plan.topics)
      for (const group of of.groups) if (group.startAt === "latest") this.effects.beginsLate(of.name, group.name);
    for (const of of plan.topics)
      for (const group of of.groups)
        if (group.exhausted === "dead-letter")
          for (let key = 0; key < of.keys; key++) this.effects.mayHaveGaps(of.name, group.name, `key-${key}`);
  }
  topic(name: string): { readonly topic: SimulatedTopic; readonly plan: TopicPlan } {
    const index = this.plan.topics.findIndex((each) => each.name === name);
    return { topic: this.topics[index] as SimulatedTopic, plan: this.plan.topics[index] as TopicPlan };
  }
  /** Someone has the key's messages run again: whatever was wrong with them is mended. */
  mended(topicName: string, group: string, key: string | null): void {
    this.#mended.add(this.keyName(topicName, group, key));
  }
  /** Whether this message kills whoever handles it now. */
  mayKill(group: string, { topic: of, id, key }: Message<SimulatedBody>, killsMax: number): boolean {
    if (this.#mended.has(this.keyName(of, group, key))) return false;
    const name = `${of} ${group} ${id}`;
    const kills = this.#kills.get(name) ?? 0;
    this.#kills.set(name, kills + 1);
    return kills < killsMax;
  }
  keyName(topicName: string, group: string, key: string | null): string {
    return `${topicName} ${group} ${key ?? ""}`;
  }
  override processDied(process: string, side: LinkSide, silent: boolean): void {
    super.processDied(process, side, silent);
    this.effects.processDied(process);
  }
}
