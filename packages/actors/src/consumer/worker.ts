import type { BrokerLink, Instant, MemberFrame } from "../link/broker-link.ts";
import { Refusals } from "../link/refusals.ts";
import type { Epoch } from "../message/brands.ts";
import { isMessagingError, type MessagingError, StaleEpochError } from "../message/errors.ts";
import type { AsideDone, Deliver, LeaseGranted, Redeliver } from "../protocol/frames.ts";
import { QuietTimer } from "../runtime/quiet-timer.ts";
import type { Attempt } from "./attempt.ts";
import { Chronicle, type LostReason } from "./chronicle.ts";
import { Credit } from "./credit.ts";
import { type Entry, entriesOf, redeliveredEntry } from "./entry.ts";
import { Hands, type HandsOwner } from "./hands.ts";
import { inHandOf } from "./in-hand.ts";
import { LeaseTalk, type TalkOwner } from "./lease-talk.ts";
import { type Aside, type AsideOwner, SettingAside } from "./setting-aside.ts";
import { type OnSettled, type SealedSettle, SettleLog } from "./settle-log.ts";
import type { Work } from "./work.ts";
import {
  isDraining,
  mayStart,
  type WorkerEffects,
  type WorkerEvent,
  type WorkerRef,
  workerMachine,
} from "./worker.machine.ts";

/** A lease goes on running out meanwhile. */
const LEASE_PACE = { initialMs: 250, maxMs: 2_000 };
const ASIDE_PACE = { initialMs: 250, maxMs: 10_000 };
/** The machine hears that nothing is going on once nothing has been for so long: between two messages of a queue in use it need not. */
const REST_MS = 2_000;

/** What is going on, as the machine hears it. */
type Doing = "handler.started" | "aside.awaited" | "retry.awaited" | "buffer.emptied";

/**
 * The worker of one queue, from the offer of its lease until that lease is released or lost. Its machine decides what may be done; this joins the parts that do
 * it: the talk about the lease, the hands that run handlers, what is settled, and what is set aside.
 */
export class Worker implements HandsOwner, TalkOwner, AsideOwner {
  readonly queue: number;
  readonly hands: Hands;
  readonly #work: Work;
  readonly #ended: (worker: Worker) => void;
  readonly #chronicle: Chronicle;
  readonly #log: SettleLog;
  readonly #credit: Credit;
  readonly #talk: LeaseTalk;
  readonly #aside: SettingAside;
  readonly #asideRefusals: Refusals;
  readonly #actor: WorkerRef;
  /** Abandoned attempts that the lease must be raised above. */
  #hung: Attempt[] = [];
  #raising: readonly Attempt[] = [];
  /** So many more messages start only when the broker knows what was handled before them: an earlier lease ended with one in hand, and it must see which does that. */
  #oneByOne = 0;
  /** Deliveries that wait until an answer which came before them has been read. */
  #inbox: (Deliver | Redeliver)[] = [];
  #starting = false;
  #draining = false;
  #halted = false;
  #ending = false;
  /** By a close: nobody waits for a link to say goodbye on. */
  #closing = false;
  #told: Doing = "buffer.emptied";
  readonly #quiet: QuietTimer;

  constructor(work: Work, queue: number, link: BrokerLink, member: number, ended: (worker: Worker) => void) {
    const { environment, settings, topic } = work;
    const { runtime, actors } = environment;
    this.queue = queue;
    this.#work = work;
    this.#ended = ended;
    this.#chronicle = new Chronicle(environment, { topic: topic.name, queue, group: settings.group }, settings.name);
    this.#quiet = new QuietTimer(runtime, REST_MS, () => this.#tell(this.#doing()));
    this.#log = new SettleLog(this.#chronicle.keepsHistory);
    this.#credit = new Credit(settings.inFlightMax, settings.inFlightBytesMax);
    const place = { topic: topic.name, queue, group: settings.group };
    const refusals = new Refusals(environment, place, LEASE_PACE);
    this.#asideRefusals = new Refusals(environment, place, ASIDE_PACE);
    this.#talk = new LeaseTalk(this, { runtime, queue, log: this.#log, credit: this.#credit, refusals });
    this.#aside = new SettingAside(this, queue);
    const inHand = settings.ordered ? inHandOf(environment, topic.name, settings.group, queue) : null;
    this.hands = new Hands(work, this, { queue, chronicle: this.#chronicle, inHand });
    const effects: WorkerEffects = {
      requestLease: () => settings.ordered && this.#talk.acquire(link, member),
      finishUp: () => {
        this.#starting = false;
        this.#draining = true;
        this.changed();
      },
      abortAttempts: () => this.hands.abort("stop", (attempt) => this.staleEpoch(attempt.epoch)),
      releaseLease: () => this.#release(),
      dropLease: (reason) => this.#drop(reason),
      letGo: () => this.#letGo(),
    };
    this.#actor = actors.start(
      { kind: "worker", path: `${work.path}/queue/${queue}`, failed: () => this.#failed() },
      workerMachine,
      { input: { queue, effects, graceMs: settings.handlerGraceMs } },
    );
    this.#actor.subscribe((snapshot) => {
      this.#starting = mayStart(snapshot);
      this.#draining = isDraining(snapshot);
      this.#halted = snapshot.context.halted;
    });
  }
  /** What a heartbeat lists. */
  get beat(): { readonly queue: number; readonly epoch: Epoch } | null {
    return this.#work.settings.ordered ? this.#talk.beat : null;
  }

  /* ---------- what the member hears ---------- */

  receive(frame: MemberFrame): void {
    switch (frame.type) {
      case "deliver":
      case "redeliver":
        this.#delivered(frame);
        return;
      case "settled":
        this.#talk.settled(frame);
        return;
      case "settle.refused":
        this.#talk.settleRefused(frame);
        return;
      case "lease.revoke":
      case "lease.ended":
        this.#talk.heard(frame);
        return;
      case "lease.granted":
      case "lease.offered":
      case "member.ended":
        return;
    }
  }
  beatRenewed(sentAt: Instant, epoch: number, ttlMs: number): void {
    this.#talk.beatRenewed(sentAt, epoch, ttlMs);
  }
  beatEnded(epoch: number): void {
    this.#talk.beatEnded(epoch);
  }
  /** Unordered: the queue is there to be shared. */
  share(link: BrokerLink, member: number, grant: LeaseGranted): void {
    this.#talk.share(link, member, grant);
  }
  /** The link has ended. Handlers go on; what they end with waits for the next link. */
  unlink(): void {
    if (this.#ending) return;
    const held = this.#talk.held;
    this.#talk.unlink();
    this.#aside.unlink();
    this.#hung = [...this.#raising, ...this.#hung];
    this.#raising = [];
    if (!held) this.#send({ type: "lease.refused" });
    else if (!this.#work.settings.ordered) this.lost("expired");
    else this.changed();
  }
  resume(link: BrokerLink, member: number): void {
    // one that is acquiring was begun on this link: its offer came before the join's answer was read
    if (this.#ending || !this.#talk.held) return;
    if (this.#talk.clock.over) this.lost("expired");
    else this.#talk.resume(link, member);
  }
  /** The broker offers the queue anew: nobody holds its lease, so we do not either. While a question about it is open, the answer tells. */
  offered(): void {
    if (this.#talk.sendable !== null && !this.#draining) this.lost("expired");
  }
  /** Finishes what is in hand and gives the lease back. */
  drain(withinMs: number): void {
    this.#closing = true;
    this.revoked(withinMs);
  }
  /** Gives up without a word. */
  abandon(): void {
    this.lost("revoked");
  }

  /* ---------- hands ---------- */

  get epoch(): Epoch {
    return this.#talk.epoch;
  }
  get leaseRemainingMs(): number {
    return this.#talk.clock.remainingMs;
  }
  get mayStart(): boolean {
    // without a link nothing can be settled: what started now would be handled again if the broker does not come back in time
    if (!this.#starting || this.#work.paused || this.#talk.late || !this.#talk.isSendable) return false;
    return this.#oneByOne === 0 || this.#log.empty;
  }
  alive(now = this.#work.environment.runtime.now()): boolean {
    if (this.#ending) return false;
    if (!this.#talk.clock.overAt(now)) return true;
    this.lost("expired");
    return false;
  }
  staleEpoch(epoch: Epoch): MessagingError {
    const { topic } = this.#work;
    return new StaleEpochError({ queue: `${topic.name}/${this.queue}`, presented: epoch, current: this.#talk.epoch });
  }
  handled(entry: Entry, listener: OnSettled | null): void {
    this.#log.handled(entry, listener);
    if (this.#oneByOne > 0) this.#oneByOne--;
    this.#credit.left(entry.length);
  }
  failed(entry: Entry): void {
    this.#log.failed(entry);
    if (!this.#work.settings.ordered) this.#credit.left(entry.length);
  }
  exhausted(entry: Entry, error: unknown): void {
    const { exhausted, ordered } = this.#work.settings;
    // what was set aside before goes back to its place: the broker halts nothing for it, so neither may this end
    const policy = exhausted === "halt" && entry.redriven !== null ? "park" : exhausted;
    // without a key there is nobody to wait behind it
    const kind = policy === "park" && entry.key === null ? "dead-letter" : policy;
    this.#talk.flush(); // what was handled before it must be settled before it: else a predecessor could come again behind a parked head (P6)
    const dropped = kind === "park" && ordered ? this.hands.buffer.dropBehind(entry) : [];
    for (const each of dropped) this.#credit.left(each.length);
    this.#aside.put(kind, entry, error, dropped);
    if (kind === "halt") this.#send({ type: "queue.halted" });
  }
  hung(attempt: Attempt): void {
    this.#hung.push(attempt);
    this.#raise();
  }
  /** Tells the machine what kind of thing is going on, when that has changed, and the broker what has piled up. Called after every attempt: cheap when nothing has. */
  changed(): void {
    if (this.#ending) return;
    const idle = this.hands.busy === 0;
    if (!this.#log.empty) this.#talk.touch(idle);
    if (this.#draining) {
      this.#checkDrained(idle);
      return;
    }
    if (!this.#talk.held) return;
    if (this.#starting && !this.#work.paused) this.#talk.giveCredit();
    const doing = this.#doing();
    if (doing === this.#told) return;
    if (doing === "buffer.emptied") this.#quiet.reset();
    else this.#tell(doing);
  }
  #doing(): Doing {
    if (this.hands.busy > 0) return "handler.started";
    if (this.#aside.pending > 0 || this.#halted) return "aside.awaited";
    return this.hands.buffer.backingOff > 0 ? "retry.awaited" : "buffer.emptied";
  }
  #tell(doing: Doing): void {
    if (this.#ending || this.#draining || doing === this.#told) return;
    this.#told = doing;
    this.#send({ type: doing });
  }

  /* ---------- the lease ---------- */

  granted(how: "acquired" | "resumed" | "raised", grant: LeaseGranted): void {
    this.#chronicle.logEpoch = grant.logEpoch;
    if (this.#work.settings.ordered && how !== "resumed") this.#chronicle.granted(grant.epoch, grant.revision);
    if (how === "acquired") this.#send({ type: "lease.granted" });
    if (how === "raised") {
      const raised = this.#raising;
      this.#raising = [];
      this.hands.raised(raised);
    }
    this.hands.watchLease();
    this.#aside.send();
    this.#raise();
    this.hands.pump();
  }
  refused(): void {
    this.#send({ type: "lease.refused" });
  }
  lost(reason: LostReason): void {
    if (!this.#ending) this.#send({ type: "lease.lost", reason });
  }
  revoked(withinMs: number): void {
    if (!this.#ending) this.#send({ type: "lease.revoke", withinMs });
  }
  released(revision: number): void {
    this.#chronicle.released(this.epoch, revision);
    this.#send({ type: "lease.released" });
  }
  renewed(): void {
    this.hands.pump();
  }
  confirmed(settle: SealedSettle, revision: number): void {
    this.#chronicle.settled(settle, revision);
    for (const listener of settle.listeners) listener("acked");
    if (this.#draining) this.changed();
    else if (this.#oneByOne > 0) this.hands.pump();
  }
  settleRefused(settle: SealedSettle, error: MessagingError): void {
    this.#chronicle.settleRefused(settle, error.code);
    for (const listener of settle.listeners) listener("lost", error);
    // whatever the reason: this end and the other no longer mean the same lease. Without one, the messages come again, to anyone
    if (this.#work.settings.ordered) this.lost("fenced");
  }
  held(): ReturnType<TalkOwner["held"]> {
    const { buffer } = this.hands;
    return { messages: buffer.messages, bytes: buffer.bytes, ...buffer.held() };
  }

  /* ---------- setting aside ---------- */

  sendable(): ReturnType<AsideOwner["sendable"]> {
    return this.#talk.clock.over ? null : this.#talk.sendable;
  }
  asideDone(aside: Aside, done: AsideDone): void {
    if (this.#ending) return;
    this.#asideRefusals.over();
    const { entry, kind } = aside;
    if (kind === "halt") this.#chronicle.halted(entry);
    else {
      this.#chronicle.setAside(kind, entry, done.offsets, aside.dropped, done);
      this.#credit.left(entry.length);
      this.hands.buffer.leave(entry);
      for (const each of aside.redrivenSince) this.hands.buffer.add(each);
    }
    this.hands.pump();
  }
  asideRefused(aside: Aside, error: MessagingError): void {
    if (this.#ending) return;
    if (!this.#work.settings.ordered) {
      // nothing waits behind it: it comes again after its wait, and what is redriven finds room here meanwhile
      this.#aside.giveUp(aside);
      this.failed(aside.entry);
      this.hands.buffer.leave(aside.entry);
      this.hands.pump();
    } else if (error.code === "LIMIT_EXCEEDED") {
      this.#chronicle.halted(aside.entry);
      this.#send({ type: "queue.halted" });
    } else if (error.retryable) {
      const waitMs = this.#asideRefusals.again("aside.put", error);
      this.#work.environment.runtime.setTimeout(() => {
        try {
          if (!this.#ending) this.#aside.again(aside);
        } catch (error) {
          this.broken(error);
        }
      }, waitMs);
    } else this.lost("fenced");
  }

  /** Something of ours threw where nothing may: the lease is given up rather than held in a state nobody knows. */
  broken(error: unknown): void {
    this.#work.environment.logger.log(
      "error",
      `the worker of queue ${this.queue} of "${this.#work.topic.name}" failed`,
      { error },
    );
    this.lost("fenced");
  }

  /* ---------- within ---------- */

  #delivered(frame: Deliver | Redeliver): void {
    if (!this.#talk.held || frame.epoch !== this.#talk.epoch || this.#draining || !this.alive()) return;
    // an answer about what is being set aside is read a microtask after it came: what came behind it must not overtake it
    if (this.#aside.pending === 0 && this.#inbox.length === 0) {
      this.#take(frame);
      return;
    }
    this.#inbox.push(frame);
    if (this.#inbox.length === 1)
      this.#work.environment.runtime.defer(() => {
        const frames = this.#inbox;
        this.#inbox = [];
        const link = this.#talk.sendable?.link;
        try {
          for (const each of frames) if (!this.#ending) this.#take(each);
        } catch (error) {
          link?.fault(error, frame.type);
        }
      });
  }
  #take(frame: Deliver | Redeliver): void {
    let entries: Entry[];
    try {
      entries = frame.type === "redeliver" ? frame.entries.map(redeliveredEntry) : entriesOf(frame);
    } catch (error) {
      if (!isMessagingError(error, "PROTOCOL_VIOLATION")) throw error; // a fault of ours: the link ends with it
      this.#talk.sendable?.link.violation(error.message);
      return;
    }
    const { ordered, inFlightMax } = this.#work.settings;
    if (ordered && entries.some(({ losses }) => losses > 0)) this.#oneByOne = inFlightMax;
    for (const entry of entries) {
      const parking = this.#aside.pending === 0 ? undefined : this.#aside.parking(entry.key);
      if (parking === undefined) this.hands.buffer.add(entry);
      else if (entry.redriven !== null && parking.entry.redriven === null) parking.redrivenSince.push(entry);
      else {
        parking.dropped.push(entry);
        this.#credit.left(entry.length);
      }
    }
    this.hands.pump();
  }
  /** The lease is taken anew, one epoch higher, above the handlers that do not end. */
  #raise(): void {
    if (this.#hung.length === 0 || this.#talk.sendable === null) return;
    this.#raising = [...this.#raising, ...this.#hung];
    this.#hung = [];
    this.#talk.raise();
  }
  #checkDrained(idle: boolean): void {
    if (!idle || (this.#aside.pending > 0 && !this.#halted)) return;
    if (this.#talk.sendable !== null) this.#send({ type: "attempts.ended" });
    else if (this.#closing && !this.#talk.linked && this.#log.empty) this.lost("expired");
  }
  #release(): void {
    if (this.#work.settings.ordered) {
      this.#talk.release();
      return;
    }
    this.#talk.flush();
    if (this.#log.empty) this.#send({ type: "lease.released" });
  }
  #send(event: WorkerEvent): void {
    if (!this.#ending) this.#actor.send(event);
  }
  #drop(reason: LostReason): void {
    const told = this.#work.settings.ordered && this.#talk.held;
    this.#starting = false;
    this.#ending = true;
    this.#quiet.stop();
    this.#talk.end();
    this.#aside.clear();
    this.#inbox = [];
    if (told) this.#chronicle.lost(this.epoch, reason);
    this.hands.lose();
    this.#log.drop(this.staleEpoch(this.epoch));
  }
  #letGo(): void {
    this.#starting = false;
    this.#ending = true;
    this.#quiet.stop();
    this.#talk.end();
    this.hands.rest();
    this.#ended(this);
  }
  /** A machine that throws has stopped: nothing decides any more, so nothing may be done. */
  #failed(): void {
    if (this.#ending) return;
    this.#drop("expired");
    this.#ended(this);
  }
}
