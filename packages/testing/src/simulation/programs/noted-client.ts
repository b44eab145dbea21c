import type { Admin, Client, SetAside, Topic } from "@seriatim/actors/client";
import type { HistorySettings } from "../../history/history-event.ts";

type GroupSettings = HistorySettings & { readonly topic: string; readonly group: string };

/** What a run has to know of what its processes ask of their clients. */
export class GroupNotes {
  /** What consumers said of their groups, by `topic group`. */
  readonly #groups = new Map<string, GroupSettings>();
  /** The same as the list that every process's first line of the history shows. */
  readonly settings: GroupSettings[] = [];
  /** The `topic group` of each order without an answer. */
  readonly #orders = new Set<{ readonly group: string }>();

  get groups(): Iterable<GroupSettings> {
    return this.#groups.values();
  }
  /** A consumer was made. */
  consumes(settings: GroupSettings): void {
    const name = `${settings.topic} ${settings.group}`;
    if (this.#groups.has(name)) return;
    this.#groups.set(name, settings);
    this.settings.push(settings);
  }
  /**
   * An order about what a group has set aside goes out: until it is answered nobody knows whether it was carried out.
   */
  async order<T>(topic: string, group: string, answer: Promise<T>): Promise<T> {
    const order = { group: `${topic} ${group}` };
    this.#orders.add(order);
    const answered = await answer;
    this.#orders.delete(order);
    return answered;
  }
  /** Whether an order about this group was never answered. */
  isUnclear(topic: string, group: string): boolean {
    return [...this.#orders].some((order) => order.group === `${topic} ${group}`);
  }
}

/** The client, with a note taken of what the history does not tell. */
export function notedClient(client: Client, notes: GroupNotes): Client {
  const consumer: Client["consumer"] = (topic, options) => {
    const made = client.consumer(topic, options);
    const of = options as typeof options & { readonly exhausted?: "park" | "dead-letter" | "halt" };
    notes.consumes({
      topic: topic.name,
      group: of.group,
      exhausted: of.exhausted ?? (topic.ordered ? "park" : "dead-letter"),
      concurrency: of.concurrency ?? (topic.ordered ? 1 : undefined),
      startAt: of.startAt,
    });
    return made;
  };
  const admin: Admin = {
    declare: (topic) => client.admin.declare(topic),
    account: (topic, of) => client.admin.account(topic, of),
    releaseName: (...order) => client.admin.releaseName(...order),
    setAside: (topic, of) =>
      notedOrders(client.admin.setAside(topic, of), (answer) => notes.order((topic as Topic).name, of.group, answer)),
  };
  return {
    name: client.name,
    admin,
    consumer,
    producer: (topic, options) => client.producer(topic, options),
    explain: (topic, key) => client.explain(topic, key),
    describe: client.describe.bind(client),
    events$: client.events$,
    actors: client.actors,
    close: (options) => client.close(options),
    [Symbol.asyncDispose]: () => client.close(),
  };
}

function notedOrders<In, Out>(
  aside: SetAside<In, Out>,
  noted: <T>(answer: Promise<T>) => Promise<T>,
): SetAside<In, Out> {
  return {
    list: (options) => aside.list(options),
    peek: (key, options) => aside.peek(key, options),
    retry: (entry, because) => noted(aside.retry(entry, because)),
    skip: (entry, because) => noted(aside.skip(entry, because)),
    replace: (entry, body, because) => noted(aside.replace(entry, body, because)),
    redrive: (key, because) => noted(aside.redrive(key, because)),
    discard: (key, because) => noted(aside.discard(key, because)),
  };
}
