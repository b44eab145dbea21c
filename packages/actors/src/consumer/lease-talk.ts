import type { BrokerLink, Instant } from "../link/broker-link.ts";
import type { Refusals } from "../link/refusals.ts";
import { type Epoch, NO_EPOCH } from "../message/brands.ts";
import { asMessagingError, fromWireError, type MessagingError } from "../message/errors.ts";
import type {
  LeaseEnded,
  LeaseGranted,
  LeaseRevoke,
  OffsetRange,
  RedrivenId,
  Settled,
  Settlement,
  SettleRefused,
} from "../protocol/frames.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { LostReason } from "./chronicle.ts";
import type { Credit } from "./credit.ts";
import { instant, LeaseClock } from "./lease-clock.ts";
import type { SealedSettle, SettleLog } from "./settle-log.ts";

/** Reports that pile up before they are sent at the end of the turn, though more is going on. */
const PILE_MAX = 64;
const NOTHING: Settlement = { ranges: [], redriven: [], tried: [], redrivenTried: [] };

/** What the broker says about the lease, for the worker to decide on. */
export interface TalkOwner {
  granted(how: "acquired" | "resumed" | "raised", grant: LeaseGranted): void;
  /** The offer was gone, or the grant came too late. */
  refused(): void;
  lost(reason: LostReason): void;
  released(revision: number): void;
  revoked(withinMs: number): void;
  confirmed(settle: SealedSettle, revision: number): void;
  settleRefused(settle: SealedSettle, error: MessagingError): void;
  /** What is in hand, for a resume. */
  held(): {
    readonly messages: number;
    readonly bytes: number;
    readonly ranges: readonly OffsetRange[];
    readonly redriven: readonly RedrivenId[];
  };
  /** Handlers may start: the renewal that a late grant needs has come. */
  renewed(): void;
  broken(error: unknown): void;
}
type Asking = "acquire" | "resume" | "raise" | "release";
const REQUESTS = {
  acquire: "lease.acquire",
  resume: "lease.acquire",
  raise: "lease.raise",
  release: "lease.release",
} as const satisfies Record<Asking, string>;

/**
 * One queue's lease, as it is talked about with the broker: asks for it, keeps its clock, takes it up again on the next link, raises it, gives it back; sends
 * settles and credit under it. While a question about the epoch itself is open, nothing else is sent under it.
 */
export class LeaseTalk {
  readonly clock: LeaseClock;
  readonly #owner: TalkOwner;
  readonly #runtime: Runtime;
  readonly #queue: number;
  readonly #log: SettleLog;
  readonly #credit: Credit;
  readonly #refusals: Refusals;
  #link: BrokerLink | null = null;
  #member = 0;
  #epoch: Epoch = NO_EPOCH;
  #held = false;
  #asking: Asking | null = null;
  /** The grant came late: a beat must renew it before anything starts (rule 17). */
  #late = false;
  /** What a release carried that was not answered. */
  #lastWords: Settlement | null = null;
  /** Frames about an epoch whose grant is read a moment later. */
  #early: (LeaseRevoke | LeaseEnded)[] = [];
  #flush: "none" | "turnEnd" | "timed" = "none";

  constructor(
    owner: TalkOwner,
    of: {
      readonly runtime: Runtime;
      readonly queue: number;
      readonly log: SettleLog;
      readonly credit: Credit;
      readonly refusals: Refusals;
    },
  ) {
    this.#owner = owner;
    this.#runtime = of.runtime;
    this.#queue = of.queue;
    this.#log = of.log;
    this.#credit = of.credit;
    this.#refusals = of.refusals;
    this.clock = new LeaseClock(of.runtime);
  }
  get epoch(): Epoch {
    return this.#epoch;
  }
  get linked(): boolean {
    return this.#link !== null;
  }
  get late(): boolean {
    return this.#late;
  }
  get held(): boolean {
    return this.#held;
  }
  /** Where frames under the present epoch may go now. */
  get sendable(): { readonly link: BrokerLink; readonly member: number; readonly epoch: Epoch } | null {
    const link = this.#link;
    return link === null || !this.isSendable ? null : { link, member: this.#member, epoch: this.#epoch };
  }
  get isSendable(): boolean {
    return this.#link !== null && this.#held && this.#asking === null;
  }
  /** What a heartbeat lists for it. */
  get beat(): { readonly queue: number; readonly epoch: Epoch } | null {
    return this.#held && !this.clock.over ? { queue: this.#queue, epoch: this.#epoch } : null;
  }

  acquire(link: BrokerLink, member: number): void {
    this.#link = link;
    this.#member = member;
    const sent = instant(this.#runtime);
    this.#ask(
      "acquire",
      link,
      link.request<"lease.acquire">({ type: "lease.acquire", member, queue: this.#queue, resume: null }),
      (grant) => this.#granted("acquire", sent, grant),
    );
  }
  /** Unordered: nobody asked, and there is no lease. */
  share(link: BrokerLink, member: number, grant: LeaseGranted): void {
    this.#link = link;
    this.#member = member;
    this.#asking = "acquire";
    this.#granted("acquire", instant(this.#runtime), { ...grant, ttlMs: Number.POSITIVE_INFINITY });
  }
  unlink(): void {
    this.#link = null;
    this.#asking = null;
    this.#late = false;
    this.#early = [];
  }
  resume(link: BrokerLink, member: number): void {
    this.#link = link;
    this.#member = member;
    const { ranges, redriven } = this.#owner.held();
    const resume = {
      epoch: this.#epoch,
      settle: this.#log.unconfirmed(this.#epoch),
      inHand: ranges,
      redrivenInHand: redriven,
    };
    const sent = instant(this.#runtime);
    this.#late = false;
    this.#ask(
      "resume",
      link,
      link.request<"lease.acquire">({ type: "lease.acquire", member, queue: this.#queue, resume }),
      (grant) => this.#granted("resume", sent, grant),
    );
  }
  raise(): void {
    const to = this.sendable;
    if (to === null) return;
    this.flush();
    if (!this.#held) return; // it had run out
    const { link, member, epoch } = to;
    const sent = instant(this.#runtime);
    this.#ask(
      "raise",
      link,
      link.request<"lease.raise">({ type: "lease.raise", member, queue: this.#queue, epoch }),
      (grant) => this.#granted("raise", sent, grant),
    );
  }
  release(): void {
    const to = this.sendable;
    if (to === null) return;
    const { link, member, epoch } = to;
    const settle = this.#lastWords ?? this.#log.seal(epoch, "release").settlement;
    this.#lastWords = settle;
    this.#ask(
      "release",
      link,
      link.request<"lease.release">({ type: "lease.release", member, queue: this.#queue, epoch, settle }),
      ({ revision }) => {
        this.#asking = null;
        this.#held = false;
        this.#confirmAll(revision);
        this.#owner.released(revision);
      },
    );
  }
  /** It is over at this end. */
  end(): void {
    this.#held = false;
    this.#asking = null;
    this.clock.end();
  }

  /** Tells what has piled up: at the end of the turn when nothing else is going on, else a moment later. */
  touch(idle: boolean): void {
    const { piledUp } = this.#log;
    if (piledUp === 0 || this.#flush === "turnEnd") return;
    if (idle || piledUp >= PILE_MAX) {
      this.#flush = "turnEnd";
      this.#runtime.atTurnEnd(this.#ring);
    } else if (this.#flush === "none") {
      this.#flush = "timed";
      this.#runtime.setTimeout(this.#ring, 0);
    }
  }
  readonly #ring = (): void => {
    this.#flush = "none";
    this.#contain("settle", () => this.flush());
  };
  flush(): void {
    const to = this.sendable;
    if (to === null || this.#log.piledUp === 0) return;
    if (this.clock.over) {
      this.#owner.lost("expired");
      return;
    }
    const { settlement, number } = this.#log.seal(to.epoch);
    to.link.send({
      type: "settle",
      member: to.member,
      queue: this.#queue,
      epoch: to.epoch,
      settle: number ?? 0,
      settlement,
    });
  }
  giveCredit(): void {
    if (!this.#credit.isDue) return;
    const to = this.sendable;
    const total = to === null ? null : this.#credit.take();
    if (to !== null && total !== null)
      to.link.send({ type: "credit", member: to.member, queue: this.#queue, epoch: to.epoch, ...total });
  }

  settled({ epoch, settle, revision }: Settled): void {
    const sealed = this.#log.answered(epoch, settle);
    if (sealed !== undefined) this.#owner.confirmed(sealed, revision);
  }
  settleRefused({ epoch, settle, error }: SettleRefused): void {
    const sealed = this.#log.answered(epoch, settle);
    if (sealed !== undefined) this.#owner.settleRefused(sealed, fromWireError(error));
  }
  /** A revoke, or the end. Those that speak of an epoch whose grant is on its way through the promise that asked for it wait for it. */
  heard(frame: LeaseRevoke | LeaseEnded): void {
    if (this.#held && frame.epoch === this.#epoch) {
      if (frame.type === "lease.revoke") this.#owner.revoked(frame.withinMs);
      else this.#owner.lost(frame.reason);
    } else if (this.#asking !== null && frame.epoch > this.#epoch) this.#early.push(frame);
  }
  beatRenewed(sentAt: Instant, epoch: number, ttlMs: number): void {
    if (!this.#held || epoch !== this.#epoch) return;
    this.clock.renew(sentAt, ttlMs);
    if (this.clock.over) {
      this.#owner.lost("expired");
      return;
    }
    if (!this.#late) return;
    this.#late = false;
    this.#owner.renewed();
  }
  beatEnded(epoch: number): void {
    // while a question about the epoch is open, its answer decides; a resume that this link has not seen yet is one
    if (this.#held && epoch === this.#epoch && this.#asking === null && this.#link !== null) this.#owner.lost("fenced");
  }

  #granted(how: "acquire" | "resume" | "raise", sent: Instant, grant: LeaseGranted): void {
    const link = this.#link;
    const wasOver = how !== "acquire" && this.clock.over; // final, whatever the broker says now
    this.#asking = null;
    this.clock.grant(sent, grant.ttlMs);
    if (wasOver) this.clock.end();
    if (this.clock.over) {
      if (how !== "acquire") {
        this.#owner.lost("expired");
        return;
      }
      const member = this.#member;
      link
        ?.request<"lease.release">({
          type: "lease.release",
          member,
          queue: this.#queue,
          epoch: grant.epoch,
          settle: NOTHING,
        })
        .catch(ignore);
      this.#owner.refused();
      return;
    }
    this.#held = true;
    this.#epoch = grant.epoch;
    this.#log.restart();
    const { messages, bytes } = this.#owner.held();
    this.#credit.restart(messages, bytes);
    if (how === "resume") {
      this.#lastWords = null;
      this.#confirmAll(grant.revision);
    }
    if (this.clock.late) {
      this.#late = true;
      link?.beatSoon();
    }
    this.#owner.granted(how === "acquire" ? "acquired" : how === "resume" ? "resumed" : "raised", grant);
    const early = this.#early;
    this.#early = [];
    for (const frame of early) this.heard(frame);
  }
  #confirmAll(revision: number): void {
    for (const settle of this.#log.takeSealed()) this.#owner.confirmed(settle, revision);
  }
  #ask<T>(asking: Asking, link: BrokerLink, answer: Promise<T>, answered: (answer: T) => void): void {
    this.#asking = asking;
    const isOpen = () => this.#asking === asking && this.#link === link;
    answer
      .then(
        (given) => {
          if (!isOpen()) return; // nobody waits for it any more: heartbeats do not list it, so it ends
          this.#refusals.over();
          answered(given);
        },
        (refused: unknown) => {
          if (!isOpen()) return;
          const error = asMessagingError(refused);
          if (asking === "acquire") {
            this.#asking = null;
            // that another has it is no news
            if (link.open && error.code !== "LEASE_HELD") this.#refusals.report("lease.acquire", error, null);
            return this.#owner.refused();
          }
          if (!error.retryable || error.code === "LEASE_HELD") return this.#owner.lost("fenced");
          // no answer, or not now. On a link that has ended the next one's resume comes first
          if (!link.open) return;
          const waitMs = this.#refusals.again(REQUESTS[asking], error);
          this.#runtime.setTimeout(
            () => this.#contain(REQUESTS[asking], () => isOpen() && this.#askAgain(asking, link)),
            waitMs,
          );
        },
      )
      .catch((error: unknown) => {
        link.fault(error, `the answer to a lease's ${asking}`);
        this.#owner.broken(error);
      });
  }
  /** Runs what a timer, or the end of a turn, brings about. */
  #contain(doing: string, step: () => void): void {
    const link = this.#link;
    try {
      step();
    } catch (error) {
      link?.fault(error, doing);
      this.#owner.broken(error);
    }
  }
  #askAgain(asking: Asking, link: BrokerLink): void {
    this.#asking = null;
    if (asking === "resume") this.resume(link, this.#member);
    else if (asking === "raise") this.raise();
    else if (asking === "release") this.release();
  }
}
const ignore = (): void => {};
