// How each kind of question is answered.
import type { Answers, Question, QuestionKind, QuestionOf } from "../protocol/questions.ts";
import { accountFor } from "./questions/account.ts";
import { Answering, type By } from "./questions/answering.ts";
import { describeBroker, describeGroup, describeTopic } from "./questions/describe.ts";
import { explainKey } from "./questions/explain.ts";
import { whenReached } from "./questions/reached.ts";
import type { ServedBroker } from "./served-broker.ts";

/** Entries of one answer, at most. */
const LIST_MAX = 1_000;

/** Answers a question of one kind. It is known by then that whoever asks may. */
type Answerer<Kind extends QuestionKind> = (question: QuestionOf<Kind>, at: Answering) => Promise<Answers[Kind]>;
const ANSWERERS: { readonly [Kind in QuestionKind]: Answerer<Kind> } = {
  describe: (_, at) => at.inTurn((turn) => describeBroker(at.broker, turn, at.rights)),
  "describe.topic": (question, at) => {
    const topic = at.topic(question.topic);
    return at.inTurn((turn) => describeTopic(topic, turn, at.rights));
  },
  "describe.group": ({ topic: name, group }, at) => {
    const topic = at.topic(name);
    return at.inTurn((turn) => describeGroup(topic, group, turn));
  },
  explain: ({ topic: name, key }, at) => {
    const topic = at.topic(name);
    return at.inTurn((turn) => explainKey(topic, key, at.broker.scope.runtime.wallNow(), turn, at.rights));
  },
  ends: ({ topic }, at) => {
    const { queues } = at.topic(topic);
    return at.inTurn(async () => queues.map(({ index, log }) => ({ queue: index, end: log.end })));
  },
  reached: (question, at) => whenReached(at.broker.reachedWaits, at.group(question), question, at.by),
  account: (question, at) => {
    const topic = at.topic(question.topic);
    const group = at.group(question);
    return at.inTurn((turn) => accountFor(topic, group, turn));
  },
  declare: async ({ spec }, { broker }) => {
    await broker.topics.declare(spec);
    return null;
  },
  "name.release": async ({ topic: name, group, name: released, reason }, at) => {
    const topic = at.topic(name);
    const wasOwned =
      group === null ? await topic.releaseProducer(released) : await at.group({ topic: name, group }).release(released);
    if (wasOwned)
      at.broker.scope.events.emit({
        type: "name.released",
        topic: topic.spec.name,
        group,
        name: released,
        reason,
        by: at.by.asker.principal,
      });
    return null;
  },
  "aside.list": (question, at) => {
    const orders = at.orders(question);
    const { after, limit } = question;
    return at.inTurnWithBodies(question, (turn, bodies) => orders.list(after, Math.min(limit, LIST_MAX), turn, bodies));
  },
  "aside.peek": (question, at) => {
    const orders = at.orders(question);
    const { key, limit, from = 0 } = question;
    return at.inTurnWithBodies(question, (turn, bodies) =>
      orders.peek(key, Math.min(limit, LIST_MAX), from, turn, bodies),
    );
  },
  "aside.retry": (question, at) => at.orders(question).retry(question),
  "aside.skip": (question, at) => at.orders(question).skip(question),
  "aside.replace": (question, at) => at.orders(question).replace(question),
  "aside.redrive": (question, at) => at.orders(question).redrive(question),
  "aside.discard": (question, at) => at.orders(question).discard(question),
};

/**
 * Answers one question, from the state that decides: a heavy one in its turn. Not `async`: nothing here may keep a
 * question that waits.
 * @throws `TOPIC_UNKNOWN` `FORBIDDEN` `ENTRY_UNKNOWN` `OPTION_INVALID` `LIMIT_EXCEEDED`
 */
export function answerQuestion<Q extends Question>(
  broker: ServedBroker,
  question: Q,
  by: By,
): Promise<Answers[Q["kind"]]> {
  const answer = ANSWERERS[question.kind] as unknown as (asked: Q, at: Answering) => Promise<Answers[Q["kind"]]>;
  try {
    return answer(question, new Answering(broker, question, by));
  } catch (error) {
    return Promise.reject(error);
  }
}
