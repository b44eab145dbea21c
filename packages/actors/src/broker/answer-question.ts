import { MessagingError } from "../message/errors.ts";
import { quoted } from "../message/text.ts";
import type { TopicSpec } from "../message/topic.ts";
import type { Answers, Question } from "../protocol/questions.ts";
import type { Departure } from "../runtime/departure.ts";
import type { EventBus } from "../runtime/event-bus.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { Right } from "../system/contracts.ts";
import type { Description, GroupDescription, OffsetClass, TopicDescription } from "../system/views.ts";
import type { BrokerState } from "./broker.machine.ts";
import { explainKey } from "./explain.ts";
import type { Group } from "./group.ts";
import { SetAsideOrders } from "./set-aside-orders.ts";
import type { TopicHome } from "./topic-home.ts";

/** What questions are about. */
export interface Asker {
  readonly name: string;
  readonly state: BrokerState;
  readonly runtime: Runtime;
  readonly events: EventBus;
  readonly topics: readonly TopicHome[];
  topic(name: string): TopicHome | undefined;
  declare(spec: TopicSpec): Promise<TopicHome>;
}
export interface By {
  /** Who asks, for the events. */
  readonly by: string;
  /** @throws `FORBIDDEN` */
  require(right: Right): void;
  /** When whoever asked has gone nobody waits for an answer any more. */
  readonly departure: Departure;
}
const LIST_MAX = 1_000;

/** Answers one question, from the state that decides. @throws `TOPIC_UNKNOWN` `FORBIDDEN` `ENTRY_UNKNOWN` `OPTION_INVALID` */
export async function answerQuestion(broker: Asker, question: Question, by: By): Promise<Answers[keyof Answers]> {
  switch (question.kind) {
    case "describe":
      return await describe(broker);
    case "describe.topic":
      return await describeTopic(topicOf(broker, question.topic));
    case "describe.group":
      return await describeGroup(topicOf(broker, question.topic), question.group);
    case "explain":
      return await explainKey(topicOf(broker, question.topic), question.key, broker.runtime.wallNow());
    case "ends":
      return topicOf(broker, question.topic).queues.map((queue) => ({ queue: queue.index, end: queue.log.end }));
    case "reached": {
      const group = groupOf(topicOf(broker, question.topic), question.group);
      const waits = question.ends.flatMap(({ queue, end }) => group.subscription(queue)?.reached(end) ?? []);
      await new Promise<void>((resolve) => {
        const stopWaiting = by.departure.when(resolve);
        void Promise.all(waits.map((wait) => wait.done)).then(() => {
          stopWaiting();
          resolve();
        });
      });
      for (const wait of waits) wait.cancel();
      return null;
    }
    case "account": {
      const topic = topicOf(broker, question.topic);
      const group = groupOf(topic, question.group);
      return topic.queues.flatMap((queue) => group.subscription(queue.index)?.account() ?? []);
    }
    case "declare":
      by.require({ verb: "manage", topic: question.spec.name });
      await broker.declare(question.spec);
      return null;
    case "name.release": {
      by.require({ verb: "manage", topic: question.topic });
      const topic = topicOf(broker, question.topic);
      const { group, name, reason } = question;
      const wasOwned = group === null ? await topic.releaseProducer(name) : await groupOf(topic, group).release(name);
      if (wasOwned)
        broker.events.tell({ type: "name.released", topic: topic.spec.name, group, name, reason, by: by.by });
      return null;
    }
  }
  const topic = topicOf(broker, question.topic);
  by.require({ verb: "manage", topic: question.topic });
  const orders = new SetAsideOrders(topic, groupOf(topic, question.group), broker.events, by.by);
  switch (question.kind) {
    case "aside.list":
      return await orders.list(question.after, Math.min(question.limit, LIST_MAX));
    case "aside.peek":
      return await orders.peek(question.key, Math.min(question.limit, LIST_MAX));
    case "aside.retry":
      return await orders.retry(question);
    case "aside.skip":
      return await orders.skip(question);
    case "aside.replace":
      return await orders.replace(question);
    case "aside.redrive":
      return await orders.redrive(question);
    case "aside.discard":
      return await orders.discard(question);
  }
}
function topicOf(broker: Asker, name: string): TopicHome {
  const topic = broker.topic(name);
  if (topic === undefined)
    throw new MessagingError(
      "TOPIC_UNKNOWN",
      `topic ${quoted(name)} is not known here: name it in the broker's \`topics\`, or declare it`,
      { data: { topic: name } },
    );
  return topic;
}
function groupOf(topic: TopicHome, name: string): Group {
  const group = topic.findGroup(name);
  if (group === undefined)
    throw new MessagingError(
      "OPTION_INVALID",
      `topic "${topic.spec.name}" has no group ${quoted(name)}: nobody has joined it yet`,
      { data: { group: name } },
    );
  return group;
}

async function describe(broker: Asker): Promise<Description> {
  return {
    brokers: [{ name: broker.name, state: broker.state }],
    topics: await Promise.all(broker.topics.map(describeTopic)),
  };
}
async function describeTopic(topic: TopicHome): Promise<TopicDescription> {
  const producers = new Set(topic.queues.flatMap((queue) => queue.log.producers));
  return {
    topic: topic.spec.name,
    queues: topic.queues.length,
    groups: await Promise.all(topic.groups.map((group) => describeGroup(topic, group.name))),
    producers: [...producers].sort(),
  };
}
async function describeGroup(topic: TopicHome, name: string): Promise<GroupDescription> {
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
  const queues = await Promise.all(
    topic.queues.map(async (queue) => {
      const subscription = group.subscription(queue.index);
      if (subscription === undefined) throw new MessagingError("UNAVAILABLE", `group "${name}" is being opened`);
      const lagMs = await queue.lagMs(subscription);
      const here = subscription.state.counts(queue.log.flushedEnd);
      for (const one of Object.keys(counts) as OffsetClass[]) counts[one] += here[one];
      return subscription.view(lagMs);
    }),
  );
  return {
    topic: topic.spec.name,
    group: name,
    state: group.isStable ? "stable" : "rebalancing",
    members: group.memberNames,
    lagMs: Math.max(0, ...queues.map((queue) => queue.lagMs)),
    counts,
    queues,
  };
}
