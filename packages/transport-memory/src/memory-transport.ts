import { MessagingError, type Runtime } from "@seriatim/actors";
import {
  type DialOptions,
  type IncomingLink,
  type Link,
  type Listener,
  type ListenOptions,
  type Principal,
  type Transport,
  tokenUnchecked,
} from "@seriatim/actors/transport";
import type { Observable } from "rxjs";
import { Mailbox } from "./mailbox.ts";
import { IncomingMemoryLink, MemoryLink } from "./memory-link.ts";
import { Turns } from "./turns.ts";

const FRAME_BYTES_MAX = 4 * 1024 * 1024;
/** Time an authenticator may take, in ms; the same as over WebSocket. */
const AUTHENTICATE_TIMEOUT_MS = 5_000;

/** Where the dialling and the listening sides of one process meet: at most one listener at a time. */
export interface MemoryHub {
  readonly name: string;
  listener: MemoryListener | null;
}
export const memoryHub = (name: string): MemoryHub => ({ name, listener: null });

/** Links between what dials and what listens on `hub`. Frames cross asynchronously and as they are, without a copy. */
export function createMemoryTransport(runtime: Runtime, { hub }: { readonly hub: MemoryHub }): Transport {
  const turns = new Turns(runtime);
  return {
    async dial({ signal, token, frameBytesMax = FRAME_BYTES_MAX }: DialOptions): Promise<Link> {
      signal.throwIfAborted();
      await new Promise<void>((resolve) => turns.soon(resolve));
      signal.throwIfAborted();
      const listener = hub.listener;
      if (listener === null) throw nobodyListens(hub);
      const principal = await listener.admit(token, signal);
      signal.throwIfAborted();
      if (hub.listener !== listener) throw nobodyListens(hub);
      const link = new MemoryLink(turns, frameBytesMax);
      listener.accept(link, principal);
      return link;
    },
    async listen(options: ListenOptions): Promise<Listener> {
      if (hub.listener !== null)
        throw new MessagingError("UNAVAILABLE", `the in-memory hub "${hub.name}" has a listener already`);
      hub.listener = new MemoryListener(runtime, turns, hub, options);
      return hub.listener;
    },
  };
}
const nobodyListens = (hub: MemoryHub) =>
  new MessagingError("UNAVAILABLE", `nobody listens on the in-memory hub "${hub.name}"`);

export class MemoryListener implements Listener {
  readonly links$: Observable<IncomingLink>;
  readonly address: string;
  readonly #runtime: Runtime;
  readonly #turns: Turns;
  readonly #hub: MemoryHub;
  readonly #options: ListenOptions;
  readonly #arrivals: Mailbox<IncomingLink>;
  readonly #links = new Set<IncomingLink>();
  readonly #closed = new AbortController();
  #dialled = 0;

  constructor(runtime: Runtime, turns: Turns, hub: MemoryHub, options: ListenOptions) {
    this.#runtime = runtime;
    this.#turns = turns;
    this.#hub = hub;
    this.#options = options;
    this.address = hub.name;
    this.#arrivals = new Mailbox(() => this.#announce());
    this.links$ = this.#arrivals.taken$;
  }

  /** Asks the authenticator; gives up with the dialling side, with the listener, and at the deadline. */
  async admit(token: string | null, dialling: AbortSignal): Promise<Principal> {
    const deadline = new AbortController();
    const timer = this.#runtime.setTimeout(
      () =>
        deadline.abort(new MessagingError("UNAVAILABLE", `no answer on the token after ${AUTHENTICATE_TIMEOUT_MS} ms`)),
      AUTHENTICATE_TIMEOUT_MS,
    );
    const asking = new AbortController();
    const signals = [dialling, this.#closed.signal, deadline.signal];
    const giveUp = () => asking.abort(signals.find((signal) => signal.aborted)?.reason);
    for (const signal of signals) signal.addEventListener("abort", giveUp, { once: true });
    try {
      const principal = await Promise.race([this.#ask(token, asking.signal), rejectedBy(asking.signal)]);
      if (principal === null) throw new MessagingError("UNAUTHENTICATED", "the token was refused");
      return principal;
    } finally {
      this.#runtime.clearTimeout(timer);
      for (const signal of signals) signal.removeEventListener("abort", giveUp);
    }
  }
  async #ask(token: string | null, signal: AbortSignal): Promise<Principal | null> {
    try {
      return await this.#options.authenticate(token, signal);
    } catch (error) {
      signal.throwIfAborted();
      throw new MessagingError("UNAVAILABLE", tokenUnchecked(error)); // the dialling side is told no more here than over a network
    }
  }

  accept(dialled: MemoryLink, principal: Principal): void {
    const remote = `${this.#hub.name}#${++this.#dialled}`;
    const link = new IncomingMemoryLink(this.#turns, this.#options.frameBytesMax ?? FRAME_BYTES_MAX, principal, remote);
    MemoryLink.join(dialled, link);
    this.#links.add(link);
    void link.ended.then(() => this.#links.delete(link));
    this.#arrivals.put(link);
    this.#announce();
  }
  #announce(): void {
    this.#turns.soon(() => this.#arrivals.handOver(() => {}));
  }

  async close({ links = false }: { readonly links?: boolean } = {}): Promise<void> {
    if (this.#hub.listener === this) this.#hub.listener = null;
    this.#closed.abort(nobodyListens(this.#hub));
    this.#arrivals.close();
    if (!links) return;
    const open = [...this.#links];
    for (const link of open) link.close("unavailable", "the listener has closed");
    await Promise.all(open.map((link) => link.ended));
  }
  [Symbol.asyncDispose](): Promise<void> {
    return this.close({ links: true });
  }
}

const rejectedBy = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
