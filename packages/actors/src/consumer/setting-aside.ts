import type { BrokerLink } from "../link/broker-link.ts";
import { Refusals } from "../link/refusals.ts";
import { offset as offsetOf } from "../message/brands.ts";
import { asMessagingError, type MessagingError } from "../message/errors.ts";
import type { AsideDone, AsidePut, FailureInfo } from "../protocol/frames.ts";
import type { ConsumerLease, LeaseChannel } from "./consumer-lease.ts";
import type { Entry } from "./entry.ts";
import { failureInfo } from "./retry-schedule.ts";
import type { QueueScope } from "./scope.ts";

const PACE = { initialMs: 250, maxMs: 10_000 };

/** A message on its way out of the queue's order, with what was dropped behind it. */
interface Aside {
  readonly kind: AsidePut["kind"];
  readonly entry: Entry;
  readonly error: FailureInfo;
  /** Messages of its key that came behind it, and that the broker sets aside too. */
  readonly dropped: Entry[];
  /** Of its key, redriven since it was parked: the park stands, only the answer is missing. They wait for it. */
  redrivenSince: Entry[];
  /** The link it was last sent on; another link needs it again. */
  sentOn: BrokerLink | null;
  /** The broker has no room for it: the queue stands still, and whoever drains need not wait for an answer. */
  isStuck: boolean;
}

/**
 * What is being set aside in one queue (rule 27): sent once per link until the broker has answered.
 * Of a key that is being parked nothing may start, and what still arrives of it is dropped.
 */
export class SettingAside {
  readonly #scope: QueueScope;
  readonly #lease: ConsumerLease;
  readonly #onAnswer: () => void;
  readonly #refusals: Refusals;
  readonly #pending = new Set<Aside>();

  /** `onAnswer`: what stood behind a message may start. */
  constructor(scope: QueueScope, lease: ConsumerLease, onAnswer: () => void) {
    this.#scope = scope;
    this.#lease = lease;
    this.#onAnswer = onAnswer;
    this.#refusals = new Refusals(scope.environment, scope.place, PACE);
  }
  get pending(): number {
    return this.#pending.size;
  }
  /** A lease cannot be given back before its broker has answered these. */
  get isAwaited(): boolean {
    for (const { kind, isStuck } of this.#pending) if (kind !== "halt" && !isStuck) return true;
    return false;
  }

  /** Its attempts are exhausted. What was handled before it must have been sent. */
  exhausted(entry: Entry, error: unknown): void {
    const { buffer, credit, settings } = this.#scope;
    const { exhausted, ordered } = settings;
    // what was set aside before goes back to its place: the broker halts nothing for it, so neither may this end
    const policy = exhausted === "halt" && entry.redriven !== null ? "park" : exhausted;
    // without a key there is nobody to wait behind it
    const kind = policy === "park" && entry.key === null ? "dead-letter" : policy;
    const dropped = kind === "park" && ordered ? buffer.dropBehind(entry) : [];
    for (const each of dropped) credit.left(each.length);
    const aside = { kind, entry, error: failureInfo(error), dropped, redrivenSince: [], sentOn: null, isStuck: false };
    this.#pending.add(aside);
    this.send();
    if (kind === "halt") this.#lease.send({ type: "queue.halted" });
  }
  /** Takes what has just been delivered, if it follows a key that is being parked. */
  takes(entry: Entry): boolean {
    const park = this.#parkOf(entry.key);
    if (park === undefined) return false;
    if (entry.redriven !== null && park.entry.redriven === null) park.redrivenSince.push(entry);
    else {
      park.dropped.push(entry);
      this.#scope.credit.left(entry.length);
    }
    return true;
  }
  #parkOf(key: string | null): Aside | undefined {
    if (key === null || this.#pending.size === 0) return undefined;
    for (const aside of this.#pending) if (aside.kind === "park" && aside.entry.key === key) return aside;
    return undefined;
  }
  /** Sends what this link has not seen yet, in the order in which it was put. */
  send(): void {
    if (this.#pending.size === 0 || this.#lease.clock.over) return;
    const { channel } = this.#lease;
    if (channel === null) return;
    for (const aside of this.#pending) if (aside.sentOn !== channel.link) this.#send(aside, channel);
  }
  /** The link has ended: what waits for an answer is not in hand, and will be delivered again. */
  unlink(): void {
    for (const aside of this.#pending) aside.redrivenSince = [];
  }
  clear(): void {
    this.#pending.clear();
  }

  #send(aside: Aside, { link, member, epoch }: LeaseChannel): void {
    const { kind, entry, error } = aside;
    const { queue } = this.#scope;
    const { key, redriven, attempts } = entry;
    aside.sentOn = link;
    aside.isStuck = false;
    const put = { kind, offset: offsetOf(entry.offset), key, redriven, attempts, error };
    link
      .request<"aside.put">({ type: "aside.put", member, queue, epoch, ...put })
      .then(
        (done) => {
          if (this.#pending.delete(aside)) this.#done(aside, done);
        },
        (refused: unknown) => {
          // an answer that a lost link took with it is asked for again on the next one
          if (link.open && aside.sentOn === link && this.#pending.has(aside))
            this.#refused(aside, asMessagingError(refused));
        },
      )
      .catch((error: unknown) => {
        link.fault(error, 'the answer to "aside.put"');
        this.#lease.broken(error);
      });
  }
  #done(aside: Aside, done: AsideDone): void {
    const { recorder, credit, buffer } = this.#scope;
    const { entry, kind } = aside;
    this.#refusals.over();
    if (kind === "halt") recorder.halted(entry);
    else {
      recorder.setAside(kind, entry, done.offsets, aside.dropped, done);
      credit.left(entry.length);
      buffer.leave(entry);
      for (const each of aside.redrivenSince) buffer.add(each);
    }
    this.#onAnswer();
  }
  #refused(aside: Aside, error: MessagingError): void {
    const { recorder, runtime, settings } = this.#scope;
    if (!settings.ordered) this.#giveUp(aside);
    else if (error.code === "LIMIT_EXCEEDED") {
      aside.isStuck = true;
      recorder.halted(aside.entry);
      this.#lease.send({ type: "queue.halted" });
    } else if (error.retryable) {
      runtime.setTimeout(() => this.#again(aside), this.#refusals.again("aside.put", error));
      return;
    } else this.#lease.lose("fenced");
    this.#onAnswer();
  }
  /** Unordered: nothing waits behind it. It comes again after its wait; what is redriven finds room here meanwhile. */
  #giveUp(aside: Aside): void {
    const { buffer, credit, log } = this.#scope;
    this.#pending.delete(aside);
    log.failed(aside.entry);
    credit.left(aside.entry.length);
    buffer.leave(aside.entry);
  }
  #again(aside: Aside): void {
    try {
      if (!this.#pending.has(aside)) return;
      aside.sentOn = null;
      this.send();
    } catch (error) {
      this.#lease.broken(error);
    }
  }
}
