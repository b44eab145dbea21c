import { MessagingError } from "../../message/errors.ts";
import { quoted } from "../../message/text.ts";
import { observe, read } from "../../protocol/questions/rights.ts";
import { definitionOf, type Question } from "../../protocol/questions.ts";
import type { Group } from "../group.ts";
import type { Asker, QuestionTurn } from "../question-turns.ts";
import type { ServedBroker } from "../served-broker.ts";
import type { Rights } from "../session-rights.ts";
import { SetAsideOrders } from "../set-aside-orders.ts";
import type { TopicHome } from "../topic-home.ts";

export interface By {
  /** Whose question it is; its principal is told with the events. */
  readonly asker: Asker;
  readonly rights: Rights;
}

type InGroup = { readonly topic: string; readonly group: string };

/** One question while it is answered: who asks, what it is about, and its turn. */
export class Answering {
  readonly broker: ServedBroker;
  readonly by: By;
  readonly #question: Question;

  /** @throws `FORBIDDEN`; `UNAVAILABLE` when the authorizer gives no answer */
  constructor(broker: ServedBroker, question: Question, by: By) {
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
    const topics = this.broker.topics.all;
    if (question.kind === "describe" && topics.some(({ spec }) => this.rights.allows(observe(spec.name)))) return;
    this.rights.require(definitionOf(question.kind).needs(question));
  }
  /**
   * What is answered to a question in the same words depends on `shown`, too. The wait for the turn may have been
   * long: the right is asked for again.
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
    return this.broker.topics.require(name);
  }
  /** @throws `TOPIC_UNKNOWN` `OPTION_INVALID` */
  group({ topic, group }: InGroup): Group {
    return groupOf(this.topic(topic), group);
  }
  /** @throws `TOPIC_UNKNOWN` `OPTION_INVALID` */
  orders(of: InGroup): SetAsideOrders {
    return new SetAsideOrders(this.topic(of.topic), this.group(of), this.broker.scope.events, this.by.asker.principal);
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
