import { isMessagingError, MessagingError } from "../message/errors.ts";
import { type Route, slotTable } from "../message/route.ts";
import type { TopicSpec } from "../message/topic.ts";
import { Waits } from "../runtime/waits.ts";
import { type Connection, nextLink } from "./connection.ts";
import type { Connections, Home } from "./connections.ts";

/** A topic as its broker described it. */
export interface TopicView {
  readonly route: Route;
  readonly spec: TopicSpec;
  /** The queue of each slot. */
  readonly table: Uint16Array;
  /** Where all its queues live. */
  readonly home: Home;
}
/** Under which names a topic is to be used: who may use it by name may look it up. */
export type TopicUse = { readonly producer: string } | { readonly group: string; readonly consumer: string };

/**
 * Where topics live, and their routes: asked once for each and kept; never goes back to an older version of one.
 * Several that ask for the same use at the same time ask together.
 */
export class TopicDirectory {
  readonly #connections: Connections;
  readonly #views = new Map<string, TopicView>();
  readonly #stale = new Set<string>();
  /** Who waits for the answer about a topic, by topic and use. */
  readonly #asking = new Map<string, Waits<null>>();

  constructor(connections: Connections) {
    this.#connections = connections;
  }

  /** What is known now, without asking. */
  known(topic: string): TopicView | undefined {
    return this.#views.get(topic);
  }
  /**
   * Waits for a link if there is none, and asks. Rejects with `FORBIDDEN`, `TOPIC_UNKNOWN`, `TOPIC_MISMATCH` (the
   * definition here and there disagree on `ordered` or the number of queues), or the signal's reason.
   */
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
  /** A broker said `WRONG_ROUTE`: ask again. */
  forget(topic: string): void {
    this.#stale.add(topic);
  }
  /** Asks where the topic lives; else at one broker after the other, until one knows it and may tell. */
  async ask<T>(topic: string, ask: (home: Home) => Promise<T>): Promise<T> {
    const known = this.#views.get(topic);
    if (known !== undefined) return await ask(known.home);
    let refusal: unknown;
    for (const home of this.#connections.homes)
      try {
        return await ask(home);
      } catch (error) {
        if (!isMessagingError(error, "TOPIC_UNKNOWN") && !isMessagingError(error, "FORBIDDEN")) throw error;
        refusal ??= error;
      }
    throw refusal;
  }

  #ask(topic: string, use: TopicUse, signal: AbortSignal | undefined): Promise<void> {
    const question = JSON.stringify([topic, use]); // what one may not look up, another may
    const asking = this.#asking.get(question);
    if (asking !== undefined) return asking.wait(null, { signal });
    const waits = new Waits<null>();
    this.#asking.set(question, waits);
    this.ask(topic, (home) => this.#askUntilAnswered(home, topic, use))
      .finally(() => this.#asking.delete(question))
      .then(
        () => waits.release(() => true),
        (error: unknown) => waits.failAll(error),
      );
    return waits.wait(null, { signal });
  }
  async #askUntilAnswered(home: Home, topic: string, use: TopicUse): Promise<void> {
    const connection: Connection = this.#connections.linkTo(home);
    for (;;) {
      const link = await nextLink(connection);
      try {
        const { route, spec } = await link.request<"topic.find">({ type: "topic.find", topic, ...use });
        const known = this.#views.get(topic);
        this.#stale.delete(topic);
        if (known !== undefined && known.route.version >= route.version) return; // never back to an older map
        this.#views.set(topic, { route, spec, table: slotTable(route), home });
        return;
      } catch (error) {
        if (!isMessagingError(error)) link.fault(error, "topic.found");
        // the broker's own answer; else its link has ended, and the next one is asked
        else if (link.open || error.code !== "UNAVAILABLE") throw error;
      }
    }
  }
}
const describe = ({ queues, ordered }: { readonly queues: number; readonly ordered: boolean }): string =>
  `${queues} queue(s), ${ordered ? "ordered" : "unordered"}`;
