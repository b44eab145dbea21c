import { MessagingError } from "../message/errors.ts";
import { quoted } from "../message/text.ts";
import type { TopicSpec } from "../message/topic.ts";
import type { Answers, Question, QueueAccount } from "../protocol/questions.ts";
import type { Description, GroupDescription, OffsetClass, QueueView, TopicDescription } from "../protocol/views.ts";
import { Departure } from "../runtime/departure.ts";
import type { EventBus } from "../runtime/event-bus.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { BrokerState } from "./broker.machine.ts";
import { explainKey } from "./explain.ts";
import type { Group } from "./group.ts";
import { neededFor, observe, read } from "./needed-rights.ts";
import type { Asker, QuestionTurn, QuestionTurns } from "./question-turns.ts";
import type { ReachedWaits } from "./reached-waits.ts";
import type { Rights } from "./session-rights.ts";
import { SetAsideOrders } from "./set-aside-orders.ts";
import type { TopicHome } from "./topic-home.ts";

/** What questions are about. */
export interface AskedBroker {
  readonly name: string;
  readonly state: BrokerState;
  readonly runtime: Runtime;
  readonly events: EventBus;
  readonly topics: readonly TopicHome[];
  /** Heavy questions have theirs one after another. */
  readonly turns: QuestionTurns;
  readonly reachedWaits: ReachedWaits;
  topic(name: string): TopicHome | undefined;
  declare(spec: TopicSpec): Promise<TopicHome>;
}
export interface By {
  /** Whose question it is; its principal is told with the events. */
  readonly asker: Asker;
  readonly rights: Rights;
}
/** Subscriptions looked at before the loop is let go. */
const LOOKED_AT_ONCE = 64;
const LIST_MAX = 1_000;

/** Answers one question, from the state that decides: a heavy one in its turn. @throws `TOPIC_UNKNOWN` `FORBIDDEN` `ENTRY_UNKNOWN` `OPTION_INVALID` `LIMIT_EXCEEDED` */
export function answerQuestion(broker: AskedBroker, question: Question, by: By): Promise<Answers[keyof Answers]> {
  return question.kind === "reached" ? reached(broker, question, by) : answer(broker, question, by);
}
/**
 * Has no turn: it costs less than reading the question did, and may then wait for days, as long as its right lasts. Not `async`, and no closure takes hold of the question, since that would keep it, with
 * thousands of ends, for as long.
 */
function reached(
  broker: AskedBroker,
  question: Extract<Question, { readonly kind: "reached" }>,
  { asker, rights }: By,
): Promise<null> {
  const left = new Departure();
  const why: { refusal: MessagingError | null } = { refusal: null };
  const stops: (() => void)[] = [];
  const stop = (): void => {
    for (const each of stops) each();
  };
  try {
    const needed = neededFor(question);
    rights.require(needed);
    const group = groupOf(topicOf(broker, question.topic), question.group);
    const watched = rights.watch(needed, (refusal) => {
      if (refusal === null) return;
      why.refusal = refusal;
      left.happen();
    });
    stops.push(
      watched,
      asker.departure.when(() => left.happen()),
    );
    return broker.reachedWaits
      .wait(asker, group, question.ends, left)
      .finally(stop)
      .then(() => {
        if (why.refusal !== null) throw why.refusal;
        return null;
      });
  } catch (error) {
    stop();
    return Promise.reject(error);
  }
}
async function answer(
  broker: AskedBroker,
  question: Exclude<Question, { readonly kind: "reached" }>,
  by: By,
): Promise<Answers[keyof Answers]> {
  const { rights } = by;
  const needed = neededFor(question);
  const require = (): void => (question.kind === "describe" ? requireAnyTopic(broker, rights) : rights.require(needed));
  require();
  /** What is answered to a question in the same words depends on `shown`, too. The wait for the turn may have been long: the right is asked for again. */
  const inTurn = <T>(work: (turn: QuestionTurn) => Promise<T>, shown = ""): Promise<T> =>
    broker.turns.ask(by.asker, JSON.stringify(question) + shown, async (turn) => {
      require();
      return await work(turn);
    });
  switch (question.kind) {
    case "describe":
      return await inTurn((turn) => describe(broker, turn, rights));
    case "describe.topic": {
      const topic = topicOf(broker, question.topic);
      return await inTurn((turn) => describeTopic(topic, turn, rights));
    }
    case "describe.group": {
      const topic = topicOf(broker, question.topic);
      return await inTurn((turn) => describeGroup(topic, question.group, turn));
    }
    case "explain": {
      const topic = topicOf(broker, question.topic);
      return await inTurn((turn) => explainKey(topic, question.key, broker.runtime.wallNow(), turn, rights));
    }
    case "ends": {
      const { queues } = topicOf(broker, question.topic);
      return await inTurn(async () => queues.map(({ index, log }) => ({ queue: index, end: log.end })));
    }
    case "account": {
      const topic = topicOf(broker, question.topic);
      const group = groupOf(topic, question.group);
      return await inTurn((turn) => account(topic, group, turn));
    }
    case "declare":
      await broker.declare(question.spec);
      return null;
    case "name.release": {
      const topic = topicOf(broker, question.topic);
      const { group, name, reason } = question;
      const wasOwned = group === null ? await topic.releaseProducer(name) : await groupOf(topic, group).release(name);
      if (wasOwned)
        broker.events.emit({
          type: "name.released",
          topic: topic.spec.name,
          group,
          name,
          reason,
          by: by.asker.principal,
        });
      return null;
    }
  }
  const topic = topicOf(broker, question.topic);
  const orders = new SetAsideOrders(topic, groupOf(topic, question.group), broker.events, by.asker.principal);
  const mayRead = (): boolean => rights.allows(read(question.topic, question.group));
  switch (question.kind) {
    case "aside.list": {
      const bodies = mayRead();
      const limit = Math.min(question.limit, LIST_MAX);
      return await inTurn((turn) => orders.list(question.after, limit, turn, bodies && mayRead()), `${bodies}`);
    }
    case "aside.peek": {
      const bodies = mayRead();
      const limit = Math.min(question.limit, LIST_MAX);
      const from = question.from ?? 0;
      return await inTurn((turn) => orders.peek(question.key, limit, from, turn, bodies && mayRead()), `${bodies}`);
    }
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
function topicOf(broker: AskedBroker, name: string): TopicHome {
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

/** @throws `FORBIDDEN` when there is no topic that whoever asks may observe, nor may it be told that there is a broker */
function requireAnyTopic(broker: AskedBroker, rights: Rights): void {
  if (broker.topics.some(({ spec }) => rights.allows(observe(spec.name)))) return;
  rights.require(neededFor({ kind: "describe" }));
}
/** Of a broker those topics, of a topic those groups that whoever asks may observe. */
async function describe(broker: AskedBroker, turn: QuestionTurn, rights: Rights): Promise<Description> {
  const topics: TopicDescription[] = [];
  for (const topic of broker.topics) {
    if (rights.allows(observe(topic.spec.name))) topics.push(await describeTopic(topic, turn, rights));
    await turn.rest();
  }
  return { brokers: [{ name: broker.name, state: broker.state }], topics };
}
async function describeTopic(topic: TopicHome, turn: QuestionTurn, rights: Rights): Promise<TopicDescription> {
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
async function describeGroup(topic: TopicHome, name: string, turn: QuestionTurn): Promise<GroupDescription> {
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
async function account(topic: TopicHome, group: Group, turn: QuestionTurn): Promise<readonly QueueAccount[]> {
  const accounts: QueueAccount[] = [];
  for (const { index } of topic.queues) {
    if (index % LOOKED_AT_ONCE === LOOKED_AT_ONCE - 1) await turn.rest();
    const subscription = group.subscription(index);
    if (subscription !== undefined) accounts.push(subscription.account());
  }
  return accounts;
}
