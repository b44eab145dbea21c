import { MessagingError } from "../../message/errors.ts";
import { observe } from "../../protocol/questions/rights.ts";
import type {
  Description,
  GroupDescription,
  OffsetClass,
  QueueView,
  TopicDescription,
} from "../../protocol/questions.ts";
import type { QuestionTurn } from "../question-turns.ts";
import type { ServedBroker } from "../served-broker.ts";
import type { Rights } from "../session-rights.ts";
import type { TopicHome } from "../topic-home.ts";
import { groupOf } from "./answering.ts";

/** Queues looked at before the loop is let go. */
const LOOKED_AT_ONCE = 64;

/** Of a broker those topics, of a topic those groups that whoever asks may observe. */
export async function describeBroker(broker: ServedBroker, turn: QuestionTurn, rights: Rights): Promise<Description> {
  const topics: TopicDescription[] = [];
  for (const topic of broker.topics.all) {
    if (rights.allows(observe(topic.spec.name))) topics.push(await describeTopic(topic, turn, rights));
    await turn.rest();
  }
  return { brokers: [{ name: broker.scope.name, state: broker.state() }], topics };
}
export async function describeTopic(topic: TopicHome, turn: QuestionTurn, rights: Rights): Promise<TopicDescription> {
  const groups: GroupDescription[] = [];
  for (const { name } of topic.groups) {
    if (rights.allows(observe(topic.spec.name, name))) groups.push(await describeGroup(topic, name, turn));
    await turn.rest();
  }
  const producers = new Set<string>();
  for (const { index, log } of topic.queues) {
    if (index % LOOKED_AT_ONCE === LOOKED_AT_ONCE - 1) await turn.rest();
    for (const producer of log.producers) producers.add(producer);
  }
  return { topic: topic.spec.name, queues: topic.queues.length, groups, producers: [...producers].sort() };
}
export async function describeGroup(topic: TopicHome, name: string, turn: QuestionTurn): Promise<GroupDescription> {
  const group = groupOf(topic, name);
  const counts: Record<OffsetClass, number> = {
    settled: 0,
    filtered: 0,
    skipped: 0,
    expired: 0,
    deadLettered: 0,
    parked: 0,
    discarded: 0,
    backlog: 0,
  };
  const queues: QueueView[] = [];
  for (const queue of topic.queues) {
    if (queue.index % LOOKED_AT_ONCE === LOOKED_AT_ONCE - 1) await turn.rest();
    const subscription = group.subscription(queue.index);
    if (subscription === undefined) throw new MessagingError("UNAVAILABLE", `group "${name}" is being opened`);
    const lagMs = await queue.lagMs(subscription);
    const here = subscription.state.counts(queue.log.flushedEnd);
    for (const one of Object.keys(counts) as OffsetClass[]) counts[one] += here[one];
    queues.push(subscription.view(lagMs));
  }
  return {
    topic: topic.spec.name,
    group: name,
    state: group.isStable ? "stable" : "rebalancing",
    members: group.memberNames,
    lagMs: queues.reduce((most, { lagMs }) => Math.max(most, lagMs), 0),
    counts,
    queues,
  };
}
