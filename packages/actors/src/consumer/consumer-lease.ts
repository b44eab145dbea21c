import type { SnapshotFrom } from "xstate";
import type { BrokerLink } from "../link/broker-link.ts";
import type { Instant } from "../link/heartbeats.ts";
import { Refusals } from "../link/refusals.ts";
import { type Epoch, NO_EPOCH } from "../message/brands.ts";
import { asMessagingError, type MessagingError, StaleEpochError } from "../message/errors.ts";
import type { LeaseEnded, LeaseGranted, LeaseReleased, LeaseRevoke, Settlement } from "../protocol/frames.ts";
import type { LightRef } from "../runtime/actor-registry.ts";
import {
  type EpochState,
  epochStateOf,
  type LeaseEmitted,
  type LeaseEvent,
  type LeaseLostReason,
  type LeasePhase,
  type LeaseQuestion,
  leaseMachine,
  phaseOf,
} from "./lease.machine.ts";
import { instant, LeaseClock } from "./lease-clock.ts";
import type { QueueScope } from "./scope.ts";

/** A lease goes on running out meanwhile. */
const PACE = { initialMs: 250, maxMs: 2_000 };
const NOTHING: Settlement = { ranges: [], redriven: [], tried: [], redrivenTried: [] };

/** What goes on under a lease that serves, as its actor shows it. */
export const ACTIVITIES = ["waiting", "handling", "backingOff", "settingAside"] as const;
export type Activity = (typeof ACTIVITIES)[number];
/** Why a lease can be used now. */
export type Gained = "acquired" | "resumed" | "raised" | "renewed";

type Asking = "acquire" | LeaseQuestion;
const REQUESTS = {
  acquire: "lease.acquire",
  resume: "lease.acquire",
  raise: "lease.raise",
  release: "lease.release",
} as const satisfies Record<Asking, string>;
const GAINED = { acquire: "acquired", resume: "resumed", raise: "raised" } as const;

/** Where frames under the present epoch go. */
export interface LeaseRoute {
  readonly link: BrokerLink;
  readonly member: number;
  readonly epoch: Epoch;
}

/**
 * One queue's lease at its consumer. The lease's machine says what may be done; this asks the broker for what the machine decides
 * (acquire, resume on the next link, raise, release), tells the machine what came of it, and keeps the epoch and the clock.
 */
export class ConsumerLease {
  readonly scope: QueueScope;
  readonly clock: LeaseClock;
  readonly #actor: LightRef<typeof leaseMachine>;
  readonly #onGained: (gained: Gained) => void;
  readonly #refusals: Refusals;
  #link: BrokerLink;
  #member: number;
  #epoch: Epoch = NO_EPOCH;
  /** What the machine said last, read once after each of its steps. */
  #phase: LeasePhase = "acquiring";
  #epochState: EpochState = null;
  #mayStart = false;
  #activity: Activity = "waiting";
  /** Number of the last question: answers to others are too late. */
  #asked = 0;
  /** What a release carried that was not answered. */
  #lastWords: Settlement | null = null;
  /** Frames about an epoch whose grant is read a moment later. */
  #early: (LeaseRevoke | LeaseEnded)[] = [];

  /** Asks for the lease, if there is one. `onGained`: it can be used. `onFailed`: the machine threw, and decides nothing any more. */
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
          this.#phase = "lost";
          this.#mayStart = false;
          this.#drop("expired");
          this.#end();
          onFailed();
        },
        state: (snapshot) => {
          const phase = phaseOf(snapshot as SnapshotFrom<typeof leaseMachine>);
          return phase === "serving" ? this.#activity : phase;
        },
      },
      leaseMachine,
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
  #send(event: LeaseEvent): void {
    if (this.isOver) return;
    this.#actor.send(event);
    this.#read();
  }
  #read(): void {
    if (this.isOver) return;
    const snapshot = this.#actor.getSnapshot();
    this.#phase = phaseOf(snapshot);
    this.#epochState = epochStateOf(snapshot);
    this.#mayStart = this.#phase === "serving" && this.#epochState === "current";
  }

  get epoch(): Epoch {
    return this.#epoch;
  }
  get isOver(): boolean {
    return this.#phase === "lost" || this.#phase === "released";
  }
  get isHeld(): boolean {
    return this.#epochState !== null;
  }
  get isDraining(): boolean {
    return this.#phase === "draining";
  }
  get isServing(): boolean {
    return this.#phase === "serving";
  }
  /** Handlers may start. Without a link, for one, they may not: nothing could be settled, and all would be handled again if the broker stayed away. */
  get mayStart(): boolean {
    return this.#mayStart;
  }
  /** Where frames under the present epoch may go now. */
  get route(): LeaseRoute | null {
    const isUsable = this.#epochState === "current" || this.#epochState === "late";
    return isUsable ? { link: this.#link, member: this.#member, epoch: this.#epoch } : null;
  }
  /** What a heartbeat lists for it. */
  get beat(): { readonly queue: number; readonly epoch: Epoch } | null {
    if (!this.scope.settings.ordered || !this.isHeld || this.clock.over) return null;
    return { queue: this.scope.queue, epoch: this.#epoch };
  }
  /** Does what is done now still count? Reads the clock; past the deadline the lease is given up for lost. `now`: the monotonic one, as just read. */
  isAlive(now = this.scope.runtime.now()): boolean {
    if (this.isOver) return false;
    if (!this.clock.overAt(now)) return true;
    this.lose("expired");
    return false;
  }
  staleEpoch(presented: Epoch): MessagingError {
    const { topic, queue } = this.scope;
    return new StaleEpochError({ queue: `${topic.name}/${queue}`, presented, current: this.#epoch });
  }
  /** What its actor shows while it serves. */
  show(activity: Activity): void {
    this.#activity = activity;
    this.scope.environment.actors.refresh(this.scope.path);
  }

  /* ---------- what this end wants ---------- */

  lose(reason: LeaseLostReason): void {
    this.#send({ type: "lease.lost", reason });
  }
  /** Finishes what is in hand and gives the lease back. */
  close(withinMs: number): void {
    this.#send({ type: "lease.revoke", withinMs, isClosing: true });
  }
  halt(): void {
    this.#send({ type: "queue.halted" });
  }
  /** Takes the lease anew, one epoch higher. Settles must have been sent before. */
  raise(): void {
    this.#send({ type: "raise.due" });
  }
  /** Draining: nothing is in hand any more. */
  finish(): void {
    this.#send({ type: "attempts.ended", isToldAll: this.scope.log.empty });
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
    this.#send({ type: "link.lost" });
  }
  /** The consumer has joined on another link. One that is acquiring was begun on it: its offer came before the join's answer was read. */
  rejoin(link: BrokerLink, member: number): void {
    if (!this.isHeld) return;
    if (!this.isAlive()) return;
    this.#link = link;
    this.#member = member;
    this.#send({ type: "link.joined" });
  }
  offered(): void {
    this.#send({ type: "lease.offered" });
  }
  /** Unordered: nobody asked, and there is no lease. */
  share(grant: LeaseGranted): void {
    this.#granted("acquire", instant(this.scope.runtime), { ...grant, ttlMs: Number.POSITIVE_INFINITY });
  }
  /** A revoke, or the end. Those that speak of an epoch whose grant is on its way through the promise that asked for it wait for it. */
  receive(frame: LeaseRevoke | LeaseEnded): void {
    if (this.isHeld && frame.epoch === this.#epoch) {
      if (frame.type === "lease.ended") this.lose(frame.reason);
      else this.#send({ type: "lease.revoke", withinMs: frame.withinMs, isClosing: false });
    } else if (this.#isAsking && frame.epoch > this.#epoch) this.#early.push(frame);
  }
  beatRenewed(sentAt: Instant, epoch: number, ttlMs: number): void {
    if (!this.isHeld || epoch !== this.#epoch) return;
    this.clock.renew(sentAt, ttlMs);
    if (!this.isAlive() || this.#epochState !== "late") return;
    this.#send({ type: "lease.renewed" });
    this.#onGained("renewed");
  }
  beatEnded(epoch: number): void {
    // while a question about the epoch is open, its answer decides; a resume that this link has not seen yet is one
    if (epoch === this.#epoch && this.route !== null) this.lose("fenced");
  }

  /* ---------- questions to the broker ---------- */

  get #isAsking(): boolean {
    const state = this.#epochState;
    return this.#phase === "acquiring" || state === "resuming" || state === "raising" || state === "releasing";
  }
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
      this.#send({ type: "lease.refused" });
      return;
    }
    if (!error.retryable || error.code === "LEASE_HELD") {
      this.lose("fenced");
      return;
    }
    // no answer, or not now. On a link that has ended the next one's resume comes first
    if (!link.open) return;
    const number = this.#asked;
    this.scope.runtime.setTimeout(
      () => {
        try {
          if (number === this.#asked) this.#send({ type: "question.due" });
        } catch (thrown) {
          link.fault(thrown, REQUESTS[asking]);
          this.broken(thrown);
        }
      },
      this.#refusals.again(REQUESTS[asking], error),
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
    this.#send({ type: "lease.granted", isLate });
    this.#onGained(GAINED[asking]);
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
    this.#send({ type: "lease.refused" });
  }
  #released({ revision }: LeaseReleased): void {
    const { log, recorder } = this.scope;
    log.settledAll(revision);
    recorder.released(this.#epoch, revision);
    this.#send({ type: "lease.released" });
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
