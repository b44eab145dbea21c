import type { ReadFrame } from "@seriatim/actors/internals";

interface Granted {
  readonly epoch: number;
  readonly revision: number;
  readonly to: string;
}

/**
 * P7 as the packets show it: epochs only grow, and nothing is confirmed as settled under an epoch in a revision that
 * comes after the grant of a later one. A history cannot show
 * this: a holder that was outlived writes down no confirmation.
 */
export class WireFence {
  /**
   * By client (a new one after each restart, though under the same name) and member number: the subscription's topic
   * and group.
   */
  readonly #members = new WeakMap<object, Map<number, string>>();
  /** The newest grant of each subscription that was answered. */
  readonly #granted = new Map<string, Granted>();
  /** Requests for a lease that does not go on from an earlier one. */
  readonly #anew = new WeakMap<object, Set<number>>();
  readonly #violate: (text: string) => void;

  constructor(violate: (text: string) => void) {
    this.#violate = violate;
  }
  /** A frame as it is sent. */
  see(frame: ReadFrame, to: string, client: object): void {
    const members = this.#members.get(client) ?? new Map<number, string>();
    this.#members.set(client, members);
    const anew = this.#anew.get(client) ?? new Set<number>();
    this.#anew.set(client, anew);
    if (frame.type === "member.join") {
      members.set(frame.member, `${frame.topic} ${frame.group}`);
      return;
    }
    if (frame.type === "lease.acquire") {
      if (frame.resume === null) anew.add(frame.request);
      else anew.delete(frame.request);
      return;
    }
    if (frame.type !== "lease.granted" && frame.type !== "settled") return;
    if (frame.epoch === 0) return; // unordered
    const subscription = `${members.get(frame.member) ?? ""} ${frame.queue}`;
    const newest = this.#granted.get(subscription);
    if (frame.type === "lease.granted") {
      const isResumed = to === newest?.to && (frame.request === null || !anew.has(frame.request));
      if (newest !== undefined && (frame.epoch < newest.epoch || (frame.epoch === newest.epoch && !isResumed)))
        this.#violate(
          `epoch ${frame.epoch} of ${subscription} was granted to ${to} after epoch ${newest.epoch} had been granted to ${newest.to}`,
        );
      if (newest === undefined || frame.epoch > newest.epoch)
        this.#granted.set(subscription, { epoch: frame.epoch, revision: frame.revision, to });
      return;
    }
    if (newest === undefined || frame.epoch >= newest.epoch || frame.revision <= newest.revision) return;
    this.#violate(
      `a settle of ${to} under epoch ${frame.epoch} of ${subscription} was committed in revision ${frame.revision}, after epoch ${newest.epoch} had been granted in revision ${newest.revision}`,
    );
  }
}
