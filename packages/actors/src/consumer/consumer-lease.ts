import type { SnapshotFrom } from "xstate";
import type { BrokerLink } from "../link/broker-link.ts";
import type { Instant } from "../link/heartbeats.ts";
import { Refusals } from "../link/refusals.ts";
import { type Epoch, NO_EPOCH } from "../message/brands.ts";
import { asMessagingError, type MessagingError, StaleEpochError } from "../message/errors.ts";
import type { LeaseEnded, LeaseGranted, LeaseReleased, LeaseRevoke, Settlement } from "../protocol/frames.ts";
import type { LightRef } from "../runtime/actor-registry.ts";
import {
  ACQUIRING,
  consumerLeaseMachine,
  type LeaseEmitted,
  type LeaseEvent,
  type LeaseLostReason,
  type LeaseQuestion,
  type LeaseStatus,
  LOST,
  statusOf,
} from "./consumer-lease.machine.ts";
import { instant, LeaseClock } from "./lease-clock.ts";
import type { QueueScope } from "./scope.ts";

/** A lease goes on running out meanwhile. */
const PACE = { initialMs: 250, maxMs: 2_000 };
const NOTHING: Settlement = { ranges: [], redriven: [], tried: [], redrivenTried: [] };

/** What goes on under a lease that serves, as its actor shows it. */
export const ACTIVITIES = ["waiting", "handling", "backingOff", "settingAside"] as const;
export type Activity = (typeof ACTIVITIES)[number];
/** Why a lease can be used now: its grant was an answer to this, or a heartbeat has renewed it. */
export type Gained = "acquire" | "resume" | "raise" | "renew";
type Asking = "acquire" | LeaseQuestion;

/** Where frames under the present epoch go. */
export interface LeaseChannel {
  readonly link: BrokerLink;
  readonly member: number;
  readonly epoch: Epoch;
}

/**
 * One queue's lease at its consumer. Its machine decides what may be done. This asks the broker what the machine
 * wants asked (acquire, resume on the next link, raise, release), tells the machine what came of it, and keeps the
 * epoch and the clock.
 */
export class ConsumerLease {
  readonly scope: QueueScope;
  readonly clock: LeaseClock;
  readonly #actor: LightRef<typeof consumerLeaseMachine>;
  readonly #onGained: (gained: Gained) => void;
  readonly #refusals: Refusals;
  #link: BrokerLink;
  #member: number;
  #epoch: Epoch = NO_EPOCH;
  /** Read once after each step of the machine, so that nobody asks it for every message. */
  #status: LeaseStatus = ACQUIRING;
  #activity: Activity = "waiting";
  /** Number of the last question: answers to others are too late. */
  #asked = 0;
  /** What a release carried that was not answered. */
  #lastWords: Settlement | null = null;
  /** Frames about an epoch whose grant is read a moment later. */
  #early: (LeaseRevoke | LeaseEnded)[] = [];

  /**
   * Asks for the lease, if there is one. `onGained`: it can be used (again).
   * `onFailed`: the machine threw, and decides nothing any more.
   */
  constructor(
    scope: QueueScope,
    at: { readonly link: BrokerLink; readonly member: number },
    onGained: (gained: Gained) => void,
    onFailed: () => void,
  ) {
    const { environment, place, path, runtime, settings } = scope;
    this.scope = scope;
    this.#link = at.link;
    this.#member = at.member;
    this.#onGained = onGained;
    this.clock = new LeaseClock(runtime);
    this.#refusals = new Refusals(environment, place, PACE);
    this.#actor = environment.actors.startLight(
      {
        kind: "worker",
        path,
        failed: () => {
          this.#status = LOST;
          this.#drop("expired");
          this.#end();
          onFailed();
        },
        state: (snapshot) => {
          const { phase } = statusOf(snapshot as SnapshotFrom<typeof consumerLeaseMachine>);
          return phase === "serving" ? this.#activity : phase;
        },
      },
      consumerLeaseMachine,
      { isShared: !settings.ordered },
    );
    this.on("question.asked", ({ question }) => this.#ask(question));
    this.on("lease.dropped", ({ reason }) => this.#drop(reason));
    this.on("lease.ended", () => this.#end());
    if (settings.ordered) this.#ask("acquire");
  }
  /** What the machine decides. */
  on<T extends LeaseEmitted["type"]>(type: T, decided: (event: Extract<LeaseEmitted, { type: T }>) => void): void {
    this.#actor.on(type, (event) => {
      this.#read();
      decided(event as Extract<LeaseEmitted, { type: T }>);
    });
  }
  send(event: LeaseEvent): void {
    if (this.#status.isOver) return;
    this.#actor.send(event);
    this.#read();
  }
  #read(): void {
    if (!this.#status.isOver) this.#status = statusOf(this.#actor.getSnapshot());
  }

  get epoch(): Epoch {
    return this.#epoch;
  }
  get status(): LeaseStatus {
    return this.#status;
  }
  /** Where frames under the present epoch may go now. */
  get channel(): LeaseChannel | null {
    return this.#status.maySend ? { link: this.#link, member: this.#member, epoch: this.#epoch } : null;
  }
  /** What a heartbeat lists for it. */
  get beat(): { readonly queue: number; readonly epoch: Epoch } | null {
    if (!this.scope.settings.ordered || this.#status.epoch === null || this.clock.over) return null;
    return { queue: this.scope.queue, epoch: this.#epoch };
  }
  /**
   * Does what is done now still count? Reads the clock: past its deadline the lease is given up for lost.
   * @param now the monotonic clock, as just read
   */
  isAlive(now = this.scope.runtime.now()): boolean {
    if (this.#status.isOver) return false;
    if (!this.clock.overAt(now)) return true;
    this.lose("expired");
    return false;
  }
  staleEpoch(presented: Epoch): MessagingError {
    const { topic, queue } = this.scope;
    return new StaleEpochError({ queue: `${topic.name}/${queue}`, presented, current: this.#epoch });
  }
  /** What its actor shows while it serves. */
  get activity(): Activity {
    return this.#activity;
  }
  show(activity: Activity): void {
    if (activity === this.#activity) return;
    this.#activity = activity;
    this.scope.environment.actors.refresh(this.scope.path);
  }

  lose(reason: LeaseLostReason): void {
    this.send({ type: "lease.lost", reason });
  }
  /** Something of ours threw where nothing may: the lease is given up rather than held in a state nobody knows. */
  broken(error: unknown): void {
    const { environment, queue, topic } = this.scope;
    environment.logger.log("error", `the worker of queue ${queue} of "${topic.name}" failed`, { error });
    this.lose("fenced");
  }

  /* ---------- what is heard ---------- */

  /** The link has ended. */
  unlink(): void {
    this.#asked++;
    this.#early = [];
    this.send({ type: "link.lost" });
  }
  /**
   * The consumer has joined on another link. What is still acquired
   * was begun on it: an offer can come before the join's answer.
   */
  rejoin(link: BrokerLink, member: number): void {
    if (this.#status.epoch === null || !this.isAlive()) return;
    this.#link = link;
    this.#member = member;
    this.send({ type: "link.joined" });
  }
  /** Unordered: nobody asked, and there is no lease. */
  share(grant: LeaseGranted): void {
    this.#granted("acquire", instant(this.scope.runtime), { ...grant, ttlMs: Number.POSITIVE_INFINITY });
  }
  /** A revoke, or the end. One that speaks of an epoch whose grant is just being read waits for that. */
  receive(frame: LeaseRevoke | LeaseEnded): void {
    if (this.#status.epoch !== null && frame.epoch === this.#epoch) {
      if (frame.type === "lease.ended") this.lose(frame.reason);
      else this.send({ type: "lease.revoke", withinMs: frame.withinMs, isClosing: false });
    } else if (this.#status.isAsking && frame.epoch > this.#epoch) this.#early.push(frame);
  }
  beatRenewed(sentAt: Instant, epoch: number, ttlMs: number): void {
    if (this.#status.epoch === null || epoch !== this.#epoch) return;
    this.clock.renew(sentAt, ttlMs);
    if (!this.isAlive() || this.#status.epoch !== "late") return;
    this.send({ type: "lease.renewed" });
    this.#onGained("renew");
  }
  beatEnded(epoch: number): void {
    // while a question about the epoch is open, its answer decides; a resume that this link has not seen yet is one
    if (epoch === this.#epoch && this.#status.maySend) this.lose("fenced");
  }

  /* ---------- questions to the broker ---------- */

  #ask(asking: Asking): void {
    const link = this.#link;
    const sent = instant(this.scope.runtime);
    if (asking === "release")
      this.#await(asking, link.request<"lease.release">(this.#releaseFrame()), (answer) => this.#released(answer));
    else this.#await(asking, this.#requestGrant(asking), (grant) => this.#granted(asking, sent, grant));
  }
  #requestGrant(asking: Exclude<Asking, "release">): Promise<LeaseGranted> {
    const link = this.#link;
    const { log, buffer } = this.scope;
    const at = { member: this.#member, queue: this.scope.queue };
    const epoch = this.#epoch;
    if (asking === "raise") return link.request<"lease.raise">({ type: "lease.raise", ...at, epoch });
    if (asking === "acquire") return link.request<"lease.acquire">({ type: "lease.acquire", ...at, resume: null });
    const { ranges, redriven } = buffer.held();
    const resume = { epoch, settle: log.unconfirmed(epoch), inHand: ranges, redrivenInHand: redriven };
    return link.request<"lease.acquire">({ type: "lease.acquire", ...at, resume });
  }
  #releaseFrame() {
    this.#lastWords ??= this.scope.log.seal(this.#epoch, "release").settlement;
    const at = { member: this.#member, queue: this.scope.queue, epoch: this.#epoch };
    return { type: "lease.release", ...at, settle: this.#lastWords } as const;
  }
  #await<T>(asking: Asking, answer: Promise<T>, answered: (answer: T) => void): void {
    const link = this.#link;
    const number = ++this.#asked;
    answer
      .then(
        (given) => {
          if (number !== this.#asked) return; // nobody waits for it any more: heartbeats do not list it, so it ends
          this.#refusals.over();
          answered(given);
        },
        (refused: unknown) => {
          if (number === this.#asked) this.#refused(asking, link, asMessagingError(refused));
        },
      )
      .catch((error: unknown) => {
        link.fault(error, `the answer to a lease's ${asking}`);
        this.broken(error);
      });
  }
  #refused(asking: Asking, link: BrokerLink, error: MessagingError): void {
    if (asking === "acquire") {
      // that another has it is no news
      if (link.open && error.code !== "LEASE_HELD") this.#refusals.report("lease.acquire", error, null);
      this.send({ type: "lease.refused" });
      return;
    }
    if (!error.retryable || error.code === "LEASE_HELD") {
      this.lose("fenced");
      return;
    }
    // no answer, or not now. On a link that has ended the next one's resume comes first
    if (!link.open) return;
    const number = this.#asked;
    const request = asking === "resume" ? "lease.acquire" : (`lease.${asking}` as const);
    this.scope.runtime.setTimeout(
      () => {
        try {
          if (number === this.#asked) this.send({ type: "question.due" });
        } catch (thrown) {
          link.fault(thrown, request);
          this.broken(thrown);
        }
      },
      this.#refusals.again(request, error),
    );
  }
  #granted(asking: Exclude<Asking, "release">, sent: Instant, grant: LeaseGranted): void {
    const { buffer, credit, log, recorder, settings } = this.scope;
    const wasOver = asking !== "acquire" && this.clock.over; // final, whatever the broker says now
    this.clock.grant(sent, grant.ttlMs);
    if (wasOver) this.clock.end();
    if (this.clock.over) {
      if (asking === "acquire") this.#giveBack(grant.epoch);
      else this.lose("expired");
      return;
    }
    this.#epoch = grant.epoch;
    log.restart();
    credit.restart(buffer.messages, buffer.bytes);
    if (asking === "resume") {
      this.#lastWords = null;
      log.settledAll(grant.revision);
    }
    recorder.logEpoch = grant.logEpoch;
    if (settings.ordered && asking !== "resume") recorder.granted(grant.epoch, grant.revision);
    const isLate = this.clock.late;
    if (isLate) this.#link.beatSoon();
    this.send({ type: "lease.granted", isLate });
    this.#onGained(asking);
    const early = this.#early;
    this.#early = [];
    for (const frame of early) this.receive(frame);
  }
  /** It came too late to be used. */
  #giveBack(epoch: Epoch): void {
    const { queue } = this.scope;
    this.#link
      .request<"lease.release">({ type: "lease.release", member: this.#member, queue, epoch, settle: NOTHING })
      .catch(() => {});
    this.send({ type: "lease.refused" });
  }
  #released({ revision }: LeaseReleased): void {
    const { log, recorder } = this.scope;
    log.settledAll(revision);
    recorder.released(this.#epoch, revision);
    this.send({ type: "lease.released" });
  }
  #drop(reason: LeaseLostReason): void {
    const wasHeld = this.#epoch !== NO_EPOCH;
    if (wasHeld && this.scope.settings.ordered) this.scope.recorder.lost(this.#epoch, reason);
  }
  #end(): void {
    this.#asked++;
    this.clock.end();
  }
}
