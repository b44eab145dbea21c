import { MessagingError } from "../../message/errors.ts";
import { quoted } from "../../message/text.ts";
import type { TopicSpec } from "../../message/topic.ts";
import { observe, read } from "../../protocol/questions/rights.ts";
import { definitionOf, type Question } from "../../protocol/questions.ts";
import type { EventBus } from "../../runtime/event-bus.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import type { BrokerState } from "../broker.machine.ts";
import type { Group } from "../group.ts";
import type { Asker, QuestionTurn, QuestionTurns } from "../question-turns.ts";
import type { ReachedWaits } from "../reached-waits.ts";
import type { Rights } from "../session-rights.ts";
import { SetAsideOrders } from "../set-aside-orders.ts";
import type { TopicHome } from "../topic-home.ts";

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

type InGroup = { readonly topic: string; readonly group: string };

/** One question while it is answered: who asks, what it is about, and its turn. */
export class Answering {
  readonly broker: AskedBroker;
  readonly by: By;
  readonly #question: Question;

  /** @throws `FORBIDDEN`; `UNAVAILABLE` when the authorizer gives no answer */
  constructor(broker: AskedBroker, question: Question, by: By) {
    this.broker = broker;
    this.by = by;
    this.#question = question;
    this.#require();
  }
  get rights(): Rights {
    return this.by.rights;
  }
  /** Whoever may observe any topic may be told of the broker. */
  #require(): void {
    const question = this.#question;
    const { topics } = this.broker;
    if (question.kind === "describe" && topics.some(({ spec }) => this.rights.allows(observe(spec.name)))) return;
    this.rights.require(definitionOf(question.kind).needs(question));
  }
  /**
   * What is answered to a question in the same words depends on `shown`, too. The wait for the turn may have been long: the
   * right is asked for again.
   */
  inTurn<T>(work: (turn: QuestionTurn) => Promise<T>, shown = ""): Promise<T> {
    return this.broker.turns.ask(this.by.asker, JSON.stringify(this.#question) + shown, async (turn) => {
      this.#require();
      return await work(turn);
    });
  }
  /** The same of what is set aside: with its bodies, if they may be read now and in the turn. */
  inTurnWithBodies<T>(of: InGroup, work: (turn: QuestionTurn, bodies: boolean) => Promise<T>): Promise<T> {
    const mayRead = (): boolean => this.rights.allows(read(of.topic, of.group));
    const bodies = mayRead();
    return this.inTurn((turn) => work(turn, bodies && mayRead()), `${bodies}`);
  }

  /** @throws `TOPIC_UNKNOWN` */
  topic(name: string): TopicHome {
    const topic = this.broker.topic(name);
    if (topic === undefined)
      throw new MessagingError(
        "TOPIC_UNKNOWN",
        `topic ${quoted(name)} is not known here: name it in the broker's \`topics\`, or declare it`,
        { data: { topic: name } },
      );
    return topic;
  }
  /** @throws `TOPIC_UNKNOWN` `OPTION_INVALID` */
  group({ topic, group }: InGroup): Group {
    return groupOf(this.topic(topic), group);
  }
  /** @throws `TOPIC_UNKNOWN` `OPTION_INVALID` */
  orders(of: InGroup): SetAsideOrders {
    return new SetAsideOrders(this.topic(of.topic), this.group(of), this.broker.events, this.by.asker.principal);
  }
}
/** @throws `OPTION_INVALID` */
export function groupOf(topic: TopicHome, name: string): Group {
  const group = topic.findGroup(name);
  if (group === undefined)
    throw new MessagingError(
      "OPTION_INVALID",
      `topic "${topic.spec.name}" has no group ${quoted(name)}: nobody has joined it yet`,
      { data: { group: name } },
    );
  return group;
}
