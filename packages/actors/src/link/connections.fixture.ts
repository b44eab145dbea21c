import { BehaviorSubject } from "rxjs";
import type { BrokerLink } from "./broker-link.ts";
import type { Connection } from "./connection.ts";
import { Connections, type Home } from "./connections.ts";
import { TopicDirectory } from "./topic-directory.ts";

/** What of a client's environment has to do with its brokers: one, to which there is the link emitted last. */
export function linkedBy(links$ = new BehaviorSubject<BrokerLink | null>(null)) {
  const connection = {
    links$,
    get link() {
      return links$.value;
    },
    ready: Promise.resolve(),
  } as unknown as Connection;
  const home = {} as Home;
  const connections = new Connections([home], () => connection);
  return { home, linkTo: (to: Home) => connections.linkTo(to), topics: new TopicDirectory(connections) };
}
