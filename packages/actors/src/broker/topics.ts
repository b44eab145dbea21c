import { decodeRecord, storeKeys } from "../log/records.ts";
import { MessagingError } from "../message/errors.ts";
import { quoted } from "../message/text.ts";
import { type TopicSpec, topicSpec } from "../message/topic.ts";
import type { Queue } from "../queue/queue.ts";
import type { BrokerScope } from "./broker-scope.ts";
import type { EndStep } from "./end-within.ts";
import { TopicHome } from "./topic-home.ts";

const OPENING_AT_ONCE = 64;

/** The topics of one broker: those in its store, and those that are declared. */
export class Topics {
  readonly #scope: BrokerScope;
  readonly #homes = new Map<string, TopicHome>();
  readonly #opening = new Map<string, Promise<TopicHome>>();
  #isEnding = false;

  constructor(scope: BrokerScope) {
    this.#scope = scope;
  }
  get all(): readonly TopicHome[] {
    return [...this.#homes.values()];
  }
  find(name: string): TopicHome | undefined {
    return this.#homes.get(name);
  }
  /** @throws `TOPIC_UNKNOWN` */
  require(name: string): TopicHome {
    const topic = this.#homes.get(name);
    if (topic === undefined)
      throw new MessagingError(
        "TOPIC_UNKNOWN",
        `topic ${quoted(name)} is not known here: name it in the broker's \`topics\`, or declare it`,
        { data: { topic: name } },
      );
    return topic;
  }
  /** Opens these, and all that are stored. @throws `TOPIC_MISMATCH` `OPTION_INVALID` `STORE_DAMAGED` */
  async open(given: readonly TopicSpec[]): Promise<void> {
    const checked = given.map((spec) => topicSpec(spec));
    const names = new Set(checked.map(({ name }) => name));
    const stored = (await this.#scope.store.list(storeKeys.topics))
      .map(({ key, value }) => decodeRecord<{ readonly spec: TopicSpec }>(key, value).spec)
      .filter(({ name }) => !names.has(name));
    const specs = [...checked, ...stored];
    for (let from = 0; from < specs.length; from += OPENING_AT_ONCE)
      await Promise.all(specs.slice(from, from + OPENING_AT_ONCE).map((spec) => this.declare(spec)));
  }
  /** Adds a topic, or finds it with the same settings. @throws `TOPIC_MISMATCH` `OPTION_INVALID` */
  async declare(spec: TopicSpec): Promise<TopicHome> {
    const checked = topicSpec(spec);
    const known = this.#homes.get(checked.name) ?? (await this.#opening.get(checked.name));
    if (known !== undefined) {
      if (known.spec.queues !== checked.queues || known.spec.ordered !== checked.ordered)
        throw new MessagingError(
          "TOPIC_MISMATCH",
          `topic "${checked.name}" is here with ${known.spec.queues} queues, ordered: ${known.spec.ordered}; found ${checked.queues}, ordered: ${checked.ordered}`,
          { data: { topic: checked.name } },
        );
      return known;
    }
    const opening = TopicHome.open(this.#scope, checked);
    this.#opening.set(checked.name, opening);
    try {
      const home = await opening;
      this.#homes.set(checked.name, home);
      return home;
    } finally {
      this.#opening.delete(checked.name);
    }
  }
  /**
   * Removes what nobody needs any more. `isLinked`: the producer has a lane open. `failed`: one queue's turn; the
   * others have theirs.
   */
  async retain(
    isLinked: (queue: Queue, producer: string) => boolean,
    failed: (what: string, error: unknown) => void,
  ): Promise<void> {
    for (const topic of this.#homes.values()) {
      for (const queue of topic.queues) {
        if (this.#isEnding) return;
        try {
          if (queue.mayRetain) await queue.retain();
          queue.forgetIdleProducers((producer) => isLinked(queue, producer));
        } catch (error) {
          failed(`retention of ${queue.path}`, error);
        }
      }
      for (const group of topic.groups) group.forgetIdleNames();
    }
  }
  /** The last step of all of them. */
  ending(): EndStep {
    this.#isEnding = true;
    const open = new Set(this.#homes.values());
    const close = async (topic: TopicHome): Promise<void> => {
      await topic.close();
      open.delete(topic);
    };
    return {
      what: () =>
        `changes of ${[...open].map(({ spec }) => `"${spec.name}"`).join(", ")} that the store has not answered`,
      end: () => Promise.all([...open].map(close)),
    };
  }
}
