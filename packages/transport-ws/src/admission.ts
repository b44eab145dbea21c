import type { Runtime } from "@seriatim/actors/client";
import { TokenBucket } from "@seriatim/actors/transport";
import { isLoopback, limitGroup } from "./addresses.ts";
import { proxiesOf, type WsListenOptions } from "./options.ts";

/** Sockets of one address that may be somewhere before their upgrade, beyond its links. */
const HANDSHAKES_MAX = 64;
/**
 * Tokens of one address that the authenticator is asked about at once: who has a wrong one keeps it from nobody else.
 */
const ASKING_MAX = 100;
/** Addresses remembered before those that no longer matter are looked for. */
const REMEMBERED_MAX = 10_000;

interface Address {
  sockets: number;
  links: number;
  asking: number;
  readonly attempts: TokenBucket;
}

/** Counts who is connected from where, and says who may not be as well. */
export class Admission {
  readonly #runtime: Runtime;
  readonly #options: WsListenOptions;
  readonly #addresses = new Map<string, Address>();
  /** Links of each principal that has any. */
  readonly #principals = new Map<string, number>();
  #links = 0;
  #asking = 0;
  #forgetAt = REMEMBERED_MAX;
  constructor(runtime: Runtime, options: WsListenOptions) {
    this.#runtime = runtime;
    this.#options = options;
  }
  get linksMax(): number {
    return this.#options.connectionsMax ?? 10_000;
  }

  /** A TCP connection has come; `null` when it must go at once. The function returned counts it out. */
  socket(address: string): (() => void) | null {
    if (proxiesOf(this.#options) > 0) return () => {}; // they are all the proxy's
    const entry = this.#entry(address);
    if (entry.sockets >= this.#perAddressMax(address) + HANDSHAKES_MAX) return null;
    entry.sockets++;
    return once(() => entry.sockets--);
  }
  /** A request for a link has come; a text when it must be refused. The function returned counts it out. */
  link(address: string): (() => void) | string {
    const entry = this.#entry(address);
    const rate = this.#options.connectsPerSecondMax;
    if ((rate !== undefined || !isLoopback(address)) && !entry.attempts.tryTake(1))
      return "too many attempts to connect from this address";
    if (this.#links >= this.linksMax) return `there are ${this.linksMax} connections already`;
    if (entry.links >= this.#perAddressMax(address))
      return `there are ${this.#perAddressMax(address)} connections from this address already`;
    this.#links++;
    entry.links++;
    return once(() => {
      this.#links--;
      entry.links--;
    });
  }
  /**
   * The authenticator is to be asked about a token; a text when it must not be. The function returned tells that
   * it has answered, though nobody may wait for that any more; past `timeoutMs` it counts as having done so.
   */
  asking(address: string, timeoutMs: number): (() => void) | string {
    const entry = this.#entry(address);
    if (this.#asking >= this.linksMax) return `${this.linksMax} tokens are being looked at already`;
    if (!isLoopback(address) && entry.asking >= ASKING_MAX)
      return `${ASKING_MAX} tokens from this address are being looked at already`;
    this.#asking++;
    entry.asking++;
    const answered = once(() => {
      this.#runtime.clearTimeout(timer);
      this.#asking--;
      entry.asking--;
    });
    const timer = this.#runtime.setTimeout(answered, timeoutMs);
    return answered;
  }
  /**
   * A link of the principal is to open; a text when it must not: the last tenth of all
   * links is kept from those who have a hundredth already, so that nobody alone takes
   * every place, from however many addresses. The function returned counts it out.
   */
  principal(id: string, address: string): (() => void) | string {
    const had = this.#principals.get(id) ?? 0;
    const few = Math.ceil(this.linksMax / 100);
    if (!isLoopback(address) && had >= few && this.#links > this.linksMax - Math.floor(this.linksMax / 10))
      return `the last tenth of the ${this.linksMax} connections is for principals that have fewer than ${few}, this one has ${had}`;
    this.#principals.set(id, had + 1);
    return once(() => {
      const left = (this.#principals.get(id) ?? 0) - 1;
      if (left > 0) this.#principals.set(id, left);
      else this.#principals.delete(id);
    });
  }
  #perAddressMax(address: string): number {
    return this.#options.connectionsPerAddressMax ?? (isLoopback(address) ? Number.POSITIVE_INFINITY : 1_000);
  }
  #entry(address: string): Address {
    const group = limitGroup(address);
    let entry = this.#addresses.get(group);
    if (entry === undefined) {
      if (this.#addresses.size >= this.#forgetAt) this.#forget();
      const perSecond = this.#options.connectsPerSecondMax ?? 100;
      entry = { sockets: 0, links: 0, asking: 0, attempts: new TokenBucket(this.#runtime, perSecond, perSecond * 10) };
      this.#addresses.set(group, entry);
    }
    return entry;
  }
  #forget(): void {
    for (const [group, { sockets, links, asking, attempts }] of this.#addresses)
      if (sockets === 0 && links === 0 && asking === 0 && attempts.full) this.#addresses.delete(group);
    this.#forgetAt = Math.max(REMEMBERED_MAX, this.#addresses.size * 2);
  }
}
const once = (fn: () => void): (() => void) => {
  let done = false;
  return () => {
    if (done) return;
    done = true;
    fn();
  };
};
