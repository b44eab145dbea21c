import type { Authenticator } from "../contracts/auth.ts";
import type { IncomingLink, Listener, ListenOptions, Principal, Transport } from "../contracts/transport.ts";
import { MessagingError } from "../message/errors.ts";
import { logThrown, ownFault } from "../protocol/own-fault.ts";
import type { BrokerScope } from "./broker-scope.ts";
import type { EndStep } from "./end-within.ts";
import { principalsOf } from "./principals.ts";
import type { ServedBroker } from "./served-broker.ts";
import { Session } from "./session.ts";

/** The way into a broker: it listens, lets in whom the authenticator knows, and begins a session for each link. */
export class Admission {
  readonly sessions = new Set<Session>();
  readonly #served: ServedBroker;
  readonly #scope: BrokerScope;
  readonly #isOpen: () => boolean;
  readonly #listeners: Listener[] = [];
  #numbered = 0;

  /** `isOpen`: links are taken now. */
  constructor(served: ServedBroker, isOpen: () => boolean) {
    this.#served = served;
    this.#scope = served.scope;
    this.#isOpen = isOpen;
  }
  /** Where it listens, in the order of the transports. */
  get addresses(): readonly string[] {
    return this.#listeners.map(({ address }) => address);
  }
  /**
   * Listens on each of them. Those that do when one cannot are closed with the rest (`ending`).
   * @throws `UNAVAILABLE`
   */
  async listen(transports: readonly ListeningTransport[], authenticator: Authenticator): Promise<void> {
    const checking = { authenticate: this.#authenticating(authenticator) };
    const options: ListenOptions = {
      authenticate: principalsOf(checking, this.#scope),
      frameBytesMax: this.#scope.limits.frameBytesMax,
    };
    for (const transport of transports) {
      const listener = await transport.listen(options);
      this.#listeners.push(listener);
      listener.links$.subscribe((link) => this.#accept(link));
    }
  }
  /** What the authenticator fails with is told to nobody: the link is refused with a reference to it. */
  #authenticating(authenticator: Authenticator): Authenticator["authenticate"] {
    return async (token: string | null, signal: AbortSignal): Promise<Principal | null> => {
      try {
        return await authenticator.authenticate(token, signal);
      } catch (error) {
        if (signal.aborted) throw error; // nobody waits for it any more
        const reference = logThrown(this.#end, error, "the authenticator failed; the link is refused", {});
        throw new MessagingError("UNAVAILABLE", "the token could not be checked", { data: { reference } });
      }
    };
  }
  get #end() {
    const { name, runtime, logger } = this.#scope;
    return { at: "broker", path: `broker/${name}`, runtime, logger } as const;
  }
  #accept(link: IncomingLink): void {
    if (!this.#isOpen()) {
      link.close("unavailable", "the broker is closing");
      return;
    }
    try {
      const path = `session/${++this.#numbered}`;
      this.sessions.add(new Session(this.#served, link, path, (session) => this.sessions.delete(session)));
    } catch (error) {
      link.close("internal", ownFault(this.#end, error, "a new link").reference);
    }
  }
  /** Says goodbye to all clients. The steps until nobody comes in any more, and all are gone. */
  ending(): readonly EndStep[] {
    const { name } = this.#scope;
    for (const { life } of this.sessions)
      life.close(new MessagingError("UNAVAILABLE", `broker "${name}" is closing; reconnect later`), "unavailable");
    const links = [...this.sessions].map(({ link }) => link);
    return [
      ...this.#listeners.map((listener) => ({
        what: () => `the listener at "${listener.address}"`,
        end: () => listener.close(),
      })),
      {
        what: () => `${this.sessions.size} link(s) to clients`,
        end: () => Promise.all(links.map(({ ended }) => ended)),
      },
    ];
  }
  /** Ends at once what is left. */
  abort(): void {
    for (const { link } of this.sessions) link.abort();
  }
}

type ListeningTransport = Transport & Required<Pick<Transport, "listen">>;
/** @throws `OPTION_INVALID` for one that can only dial */
export function listening(transport: Transport): ListeningTransport {
  if (transport.listen !== undefined) return transport as ListeningTransport;
  throw new MessagingError(
    "OPTION_INVALID",
    "the transport given can only dial: a broker needs one that listens, such as wsTransport({ port }) or memoryTransport()",
  );
}
