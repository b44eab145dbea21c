import {
  type DialOptions,
  type Link,
  type Listener,
  type ListenOptions,
  MessagingError,
  type Transport,
} from "@seriatim/actors/client";
import { Observable, type Subscriber } from "rxjs";
import { SimulatedLink } from "./simulated-link.ts";
import { type LinkSide, Wires, type WiresOptions } from "./wires.ts";

export interface NetworkOptions extends WiresOptions {
  /** When a side that nobody told finds out by itself that a link is dead, ms. */
  readonly pingTimeoutMs: number;
  /** A packet came in on a link after a newer link of the same process had been heard. */
  readonly onOutdated?: () => void;
}
interface Listening {
  readonly side: LinkSide;
  readonly options: ListenOptions;
  readonly accept: (link: SimulatedLink) => void;
}
/** The one address there is: the broker's. */
const ADDRESS = "simulated";

/**
 * A network in one process: delays with jitter, cuts, half-open links, partitions in one or both directions, slow
 * links. Order holds within a link and only there.
 */
export class SimulatedNetwork extends Wires {
  readonly #options: NetworkOptions;
  readonly #links = new Set<SimulatedLink>();
  /** What happens to the next link of a process, as soon as it is made. */
  readonly #nextLink = new Map<string, (link: SimulatedLink) => void>();
  /** Links to the broker in the order in which they were made, and by process the newest that was heard. */
  readonly #made = new WeakMap<SimulatedLink, number>();
  #linksMade = 0;
  readonly #heard = new Map<LinkSide, number>();
  #listening: Listening | null = null;
  /** Processes in the order in which they came: the address goes to the newest that asks for it. */
  readonly #born = new WeakMap<LinkSide, number>();
  #sidesBorn = 0;
  readonly #hears = {
    onReached: (link: SimulatedLink) => this.#reached(link),
    onEnded: (link: SimulatedLink) => this.#sideEnded(link),
  };

  constructor(options: NetworkOptions) {
    super(options);
    this.#options = options;
  }
  protected override opened(): void {
    for (const link of this.#links) link.pump();
  }

  /** The network as one process sees it. */
  transport(side: LinkSide): Transport {
    if (!this.#born.has(side)) this.#born.set(side, ++this.#sidesBorn);
    return {
      dial: (options) => this.#dial(side, options),
      listen: (options) => this.#listen(side, options),
      backoff: { initialMs: 50, maxMs: 1_000 },
    };
  }

  /* ---------- faults ---------- */

  /** Every open link of this process. */
  linksOf(name: string): SimulatedLink[] {
    return [...this.#links].filter((link) => link.side.name === name && !link.isOver);
  }
  /** Ends a link between two packets; both sides learn of it, each in its time. */
  cut(link: SimulatedLink): void {
    link.cut(true);
    link.peer.cut(true);
  }
  /** The link is dead, and these sides are not told: they find out by their own time-outs. */
  halfOpen(link: SimulatedLink, blind: "dialler" | "listener" | "both"): void {
    const listenerSide = link.side.name === this.#listening?.side.name ? link : link.peer;
    const dialler = listenerSide.peer;
    listenerSide.cut(blind === "listener");
    dialler.cut(blind === "dialler");
    if (blind !== "listener") this.#ping(dialler);
    if (blind !== "dialler") this.#ping(listenerSide);
  }
  #ping(link: SimulatedLink): void {
    this.after(this.#options.pingTimeoutMs, () => link.lose());
  }
  /** A process has died. With `silent`, as if its machine had lost power: nobody is told. */
  processDied(side: LinkSide, silent: boolean): void {
    for (const link of this.linksOf(side.name)) {
      if (link.side !== side) continue;
      link.cut(!silent);
      if (silent) this.#ping(link.peer);
      link.peer.cut(false);
      link.die();
    }
    if (this.#listening?.side === side) this.#listening = null;
  }
  /**
   * What a process sends on its link for `gatherMs` is held back, then it alone hears that the link is dead; `lateMs`
   * later all of it arrives.
   * `tail`: its present links. `hello`: the next one it makes, from its first packet on; the present ones are cut.
   */
  sendLate(name: string, what: "tail" | "hello", gatherMs: number, lateMs: number): void {
    const late = (link: SimulatedLink): void => {
      link.holdBack();
      this.after(gatherMs, () => link.lose());
      this.after(gatherMs + lateMs, () => link.letGo());
    };
    if (what === "hello") this.#nextLink.set(name, late);
    for (const link of this.linksOf(name)) {
      if (what === "tail") late(link);
      else this.cut(link);
    }
  }
  #reached(link: SimulatedLink): void {
    const made = this.#made.get(link);
    if (made === undefined) return;
    const newest = this.#heard.get(link.side) ?? 0;
    if (made < newest) this.#options.onOutdated?.();
    else this.#heard.set(link.side, made);
  }
  #sideEnded(link: SimulatedLink): void {
    // what is on its way from a side that has ended still arrives
    if (!link.peer.isOver) return;
    this.#links.delete(link);
    this.#links.delete(link.peer);
  }

  /* ---------- dialling, listening ---------- */

  #dial(dialler: LinkSide, { signal, token }: DialOptions): Promise<Link> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      const host = this.#listening?.side.name ?? "broker";
      const back = (fn: () => void) => this.trip(host, dialler.name, () => dialler.runtime.deliver(fn));
      const refuse = (error: MessagingError) => back(() => reject(error));
      this.trip(dialler.name, host, () => {
        const listening = this.#listening;
        if (listening === null || listening.side.runtime.isDead)
          return refuse(new MessagingError("UNAVAILABLE", "nobody listens"));
        listening.side.runtime.deliver(() => {
          listening.options.authenticate(token, new AbortController().signal).then(
            (principal) => {
              if (principal === null) return refuse(new MessagingError("UNAUTHENTICATED", "the token was refused"));
              if (this.#listening !== listening) return refuse(new MessagingError("UNAVAILABLE", "nobody listens"));
              const near = new SimulatedLink(this, { side: dialler, remote: ADDRESS, principal, ...this.#hears });
              const far = new SimulatedLink(this, {
                side: listening.side,
                remote: dialler.name,
                principal,
                ...this.#hears,
              });
              SimulatedLink.join(near, far);
              this.#links.add(near).add(far);
              this.#made.set(near, ++this.#linksMade);
              this.#nextLink.get(dialler.name)?.(near);
              this.#nextLink.delete(dialler.name);
              listening.accept(far);
              if (dialler.runtime.isDead) return this.processDied(dialler, false);
              back(() => (signal.aborted ? near.abort() : resolve(near)));
            },
            () => refuse(new MessagingError("UNAVAILABLE", "the authenticator failed")),
          );
        });
      });
    });
  }
  async #listen(side: LinkSide, options: ListenOptions): Promise<Listener> {
    const holder = this.#listening?.side;
    if (holder !== undefined && (this.#born.get(holder) ?? 0) > (this.#born.get(side) ?? 0))
      throw new MessagingError("UNAVAILABLE", `the address is another's, which came after ${side.name}`);
    const readers = new Set<Subscriber<SimulatedLink>>();
    const early: SimulatedLink[] = [];
    const listening: Listening = {
      side,
      options,
      accept: (link) => {
        if (readers.size === 0) early.push(link);
        for (const reader of readers) reader.next(link);
      },
    };
    this.#listening = listening;
    const close = async (how?: { readonly links?: boolean }): Promise<void> => {
      if (this.#listening === listening) this.#listening = null;
      if (how?.links === true) for (const link of this.linksOf(side.name)) link.close("unavailable", "closing");
      for (const reader of readers) reader.complete();
    };
    return {
      address: ADDRESS,
      links$: new Observable((reader) => {
        readers.add(reader);
        for (const link of early.splice(0)) reader.next(link);
        return () => void readers.delete(reader);
      }),
      close,
      [Symbol.asyncDispose]: () => close(),
    };
  }
}
