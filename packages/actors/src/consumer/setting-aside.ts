import type { BrokerLink } from "../link/broker-link.ts";
import { type Epoch, offset as offsetOf } from "../message/brands.ts";
import { asMessagingError, type MessagingError } from "../message/errors.ts";
import type { AsideDone, AsidePut, FailureInfo } from "../protocol/frames.ts";
import type { Entry } from "./entry.ts";
import { failureInfo } from "./retry-schedule.ts";

/** A message on its way out of the queue's order, with what was dropped behind it. */
export interface Aside {
  readonly kind: AsidePut["kind"];
  readonly entry: Entry;
  readonly error: FailureInfo;
  /** Messages of its key that came behind it, and that the broker sets aside too. */
  readonly dropped: Entry[];
  /** Of its key, redriven since it was parked: the park stands, only the answer is missing. They wait for it. */
  redrivenSince: Entry[];
  /** The link it was last sent on; another link needs it again. */
  sentOn: BrokerLink | null;
}
export interface AsideOwner {
  /** Sets a message aside under this epoch, on this link; `null` while nothing may be sent. */
  sendable(): { readonly link: BrokerLink; readonly member: number; readonly epoch: Epoch } | null;
  /** It stands with the group's dead letters (or parked keys) now; the queue has halted at it, if that was asked. */
  asideDone(aside: Aside, done: AsideDone): void;
  asideRefused(aside: Aside, error: MessagingError): void;
  broken(error: unknown): void;
}

/**
 * What is being set aside in one queue (rule 27): sent once per link until the broker has answered. Of a key that is being parked nothing may start, and what still
 * arrives of it is dropped.
 */
export class SettingAside {
  readonly #owner: AsideOwner;
  readonly #queue: number;
  readonly #pending = new Set<Aside>();

  constructor(owner: AsideOwner, queue: number) {
    this.#owner = owner;
    this.#queue = queue;
  }
  get pending(): number {
    return this.#pending.size;
  }
  /** The park that a message of this key would follow. */
  parking(key: string | null): Aside | undefined {
    if (key === null || this.#pending.size === 0) return undefined;
    for (const aside of this.#pending) if (aside.kind === "park" && aside.entry.key === key) return aside;
    return undefined;
  }
  put(kind: Aside["kind"], entry: Entry, error: unknown, dropped: Entry[]): void {
    this.#pending.add({ kind, entry, error: failureInfo(error), dropped, redrivenSince: [], sentOn: null });
    this.send();
  }
  /** Sends what this link has not seen yet, in the order in which it was put. */
  send(): void {
    if (this.#pending.size === 0) return;
    const to = this.#owner.sendable();
    if (to === null) return;
    for (const aside of this.#pending) if (aside.sentOn !== to.link) this.#send(aside, to);
  }
  /** The broker could not do it now. */
  again(aside: Aside): void {
    aside.sentOn = null;
    this.send();
  }
  /** The link has ended: what waits for an answer is not in hand, and will be delivered again. */
  unlink(): void {
    for (const aside of this.#pending) aside.redrivenSince = [];
  }
  /** It stays where it is. */
  giveUp(aside: Aside): void {
    this.#pending.delete(aside);
  }
  clear(): void {
    this.#pending.clear();
  }

  #send(
    aside: Aside,
    { link, member, epoch }: { readonly link: BrokerLink; readonly member: number; readonly epoch: Epoch },
  ): void {
    const { kind, entry, error } = aside;
    aside.sentOn = link;
    link
      .request<"aside.put">({
        type: "aside.put",
        member,
        queue: this.#queue,
        epoch,
        kind,
        offset: offsetOf(entry.offset),
        key: entry.key,
        redriven: entry.redriven,
        attempts: entry.attempts,
        error,
      })
      .then(
        (done) => {
          if (this.#pending.delete(aside)) this.#owner.asideDone(aside, done);
        },
        (refused: unknown) => {
          // an answer that a lost link took with it is asked for again on the next one
          if (link.open && aside.sentOn === link && this.#pending.has(aside))
            this.#owner.asideRefused(aside, asMessagingError(refused));
        },
      )
      .catch((error: unknown) => {
        link.fault(error, 'the answer to "aside.put"');
        this.#owner.broken(error);
      });
  }
}
