import type { Admin, Client, SetAside, Topic } from "@seriatim/actors/client";
import type { HistorySettings } from "../../history/history-event.ts";

/** What a run has to know of what its processes ask of their clients. */
export interface ClientNotes {
  /** A consumer was made: what its group is set up as. */
  consumes(settings: HistorySettings & { readonly topic: string; readonly group: string }): void;
  /** An order about what a group has set aside went out; until `answered` is called nobody knows whether it was carried out. */
  ordered(topic: string, group: string): { answered(): void };
}

/** The client, with a note taken of what the history does not tell. */
export function notedClient(client: Client, notes: ClientNotes): Client {
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
      notedOrders(client.admin.setAside(topic, of), () => notes.ordered((topic as Topic).name, of.group)),
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

function notedOrders<In, Out>(aside: SetAside<In, Out>, ordered: () => { answered(): void }): SetAside<In, Out> {
  const noted = async <T>(order: Promise<T>): Promise<T> => {
    const note = ordered();
    const answer = await order;
    note.answered();
    return answer;
  };
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
