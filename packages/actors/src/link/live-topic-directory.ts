import { isMessagingError, MessagingError } from "../message/errors.ts";
import { slotTable } from "../message/route.ts";
import { Waits } from "../runtime/waits.ts";
import type { BrokerConnection, BrokerLink } from "./broker-link.ts";
import { nextLink } from "./connection.ts";
import type { TopicDirectory, TopicUse, TopicView } from "./topic-directory.ts";

/** Asks the broker once per topic and remembers; several that ask for the same use at the same time ask together. */
export class LiveTopicDirectory implements TopicDirectory {
  readonly #connection: BrokerConnection;
  readonly #views = new Map<string, TopicView>();
  readonly #stale = new Set<string>();
  /** Who waits for the answer about a topic, by topic and use. */
  readonly #asking = new Map<string, Waits<null>>();

  constructor(connection: BrokerConnection) {
    this.#connection = connection;
  }

  known(topic: string): TopicView | undefined {
    return this.#views.get(topic);
  }
  async find(
    topic: { readonly name: string; readonly ordered: boolean; readonly queues: number },
    use: TopicUse,
    signal?: AbortSignal,
  ): Promise<TopicView> {
    signal?.throwIfAborted();
    const known = this.#views.get(topic.name);
    if (known === undefined || this.#stale.has(topic.name)) await this.#ask(topic.name, use, signal);
    const view = this.#views.get(topic.name) as TopicView;
    const { spec } = view;
    if (spec.ordered !== topic.ordered || spec.queues !== topic.queues)
      throw new MessagingError(
        "TOPIC_MISMATCH",
        `topic "${topic.name}" is declared here with ${describe(topic)}; the broker has it with ${describe(spec)}`,
        {
          data: {
            topic: topic.name,
            here: { queues: topic.queues, ordered: topic.ordered },
            broker: { queues: spec.queues, ordered: spec.ordered },
          },
        },
      );
    return view;
  }
  forget(topic: string, _error: MessagingError): void {
    this.#stale.add(topic);
  }

  #ask(topic: string, use: TopicUse, signal: AbortSignal | undefined): Promise<void> {
    const question = JSON.stringify([topic, use]); // what one may not look up, another may
    const asking = this.#asking.get(question);
    if (asking !== undefined) return asking.wait(null, { signal });
    const waits = new Waits<null>();
    this.#asking.set(question, waits);
    this.#askUntilAnswered(topic, use)
      .finally(() => this.#asking.delete(question))
      .then(
        () => waits.release(() => true),
        (error: unknown) => waits.failAll(error),
      );
    return waits.wait(null, { signal });
  }
  async #askUntilAnswered(topic: string, use: TopicUse): Promise<void> {
    for (;;) {
      const link: BrokerLink = await nextLink(this.#connection);
      try {
        const { route, spec } = await link.request<"topic.find">({ type: "topic.find", topic, ...use });
        const known = this.#views.get(topic);
        this.#stale.delete(topic);
        if (known !== undefined && known.route.version >= route.version) return; // never back to an older map
        this.#views.set(topic, { route, spec, table: slotTable(route) });
        return;
      } catch (error) {
        if (!isMessagingError(error)) link.fault(error, "topic.found");
        else if (link.open || error.code !== "UNAVAILABLE") throw error; // the broker's own answer; else its link ended: ask the next one
      }
    }
  }
}
const describe = ({ queues, ordered }: { readonly queues: number; readonly ordered: boolean }): string =>
  `${queues} queue(s), ${ordered ? "ordered" : "unordered"}`;
