import type { BrokerLink, MemberFrame } from "../link/broker-link.ts";
import { isMessagingError } from "../message/errors.ts";
import type { Deliver, Redeliver } from "../protocol/frames.ts";
import { QuietTimer } from "../runtime/quiet-timer.ts";
import { type Activity, ConsumerLease, type Gained } from "./consumer-lease.ts";
import { type Entry, entriesOf, redeliveredEntry } from "./entry.ts";
import { HandlerRunner } from "./handler-runner.ts";
import { type ConsumerScope, QueueScope } from "./scope.ts";
import { SettingAside } from "./setting-aside.ts";
import { SettleSender } from "./settle-sender.ts";
import type { StartGate } from "./start-gate.ts";

/** It shows that it waits once nothing has gone on for so long: between two messages of a queue in use it need not. */
const REST_MS = 2_000;
/** How long the last words of a drain (raise, release) may take before the lease is given up without them. */
const LAST_WORDS_MS = 1_000;

/**
 * The worker of one queue, from the offer of its lease until that lease is released or lost. It joins the parts:
 *
 * ```
 *   frames ──▶ lease (one machine decides) ◀── handler runner ──▶ setting aside
 *      └─────▶ buffer (lines by key) ────────────▲   └──▶ settle sender
 * ```
 */
export class Worker {
  readonly queue: number;
  readonly lease: ConsumerLease;
  readonly runner: HandlerRunner;
  readonly #scope: QueueScope;
  readonly #gate: StartGate;
  readonly #settles: SettleSender;
  readonly #aside: SettingAside;
  readonly #onEnded: (worker: Worker) => void;
  /** Deliveries that wait until an answer which came before them has been read. */
  #inbox: (Deliver | Redeliver)[] = [];
  readonly #quiet: QuietTimer;
  #drainTimer: unknown = null;

  constructor(
    consumer: ConsumerScope,
    gate: StartGate,
    at: { readonly queue: number; readonly link: BrokerLink; readonly member: number },
    onEnded: (worker: Worker) => void,
  ) {
    const scope = new QueueScope(consumer, at.queue);
    this.queue = at.queue;
    this.#scope = scope;
    this.#gate = gate;
    this.#onEnded = onEnded;
    this.#quiet = new QuietTimer(scope.runtime, REST_MS, () => this.lease.show(this.#activity));
    this.lease = new ConsumerLease(
      scope,
      at,
      (gained) => this.#gained(gained),
      () => {
        this.#drop();
        this.#end();
      },
    );
    this.#settles = new SettleSender(scope, this.lease, () => this.#answered());
    this.#aside = new SettingAside(scope, this.lease, () => this.runner.pump());
    const parts = { lease: this.lease, settles: this.#settles, aside: this.#aside, gate };
    this.runner = new HandlerRunner(scope, parts, () => this.#changed());
    this.lease.on("drain.begun", ({ withinMs }) => this.#drain(withinMs));
    this.lease.on("lease.dropped", () => this.#drop());
    this.lease.on("lease.ended", () => this.#end());
  }

  receive(frame: MemberFrame): void {
    switch (frame.type) {
      case "deliver":
      case "redeliver":
        this.#delivered(frame);
        return;
      case "settled":
      case "settle.refused":
        this.#settles.receive(frame);
        return;
      case "lease.revoke":
      case "lease.ended":
        this.lease.receive(frame);
        return;
      case "lease.granted":
      case "lease.offered":
      case "member.ended":
        return;
    }
  }
  /** The link has ended. Handlers go on; what they end with waits for the next link. */
  unlink(): void {
    this.lease.unlink();
    this.#aside.unlink();
    this.#changed();
  }

  /* ---------- what is delivered ---------- */

  #delivered(frame: Deliver | Redeliver): void {
    const { lease } = this;
    if (
      lease.status.epoch === null ||
      frame.epoch !== lease.epoch ||
      lease.status.phase === "draining" ||
      !lease.isAlive()
    )
      return;
    // an answer about what is being set aside is read a microtask
    // after it came: what came behind it must not overtake it
    if (this.#aside.pending === 0 && this.#inbox.length === 0) this.#take(frame);
    else if (this.#inbox.push(frame) === 1) this.#scope.runtime.defer(() => this.#takeInbox());
  }
  #takeInbox(): void {
    const frames = this.#inbox;
    this.#inbox = [];
    const { channel } = this.lease;
    try {
      for (const each of frames) if (!this.lease.status.isOver) this.#take(each);
    } catch (error) {
      channel?.link.fault(error, "deliver");
    }
  }
  #take(frame: Deliver | Redeliver): void {
    let entries: Entry[];
    try {
      entries = frame.type === "redeliver" ? frame.entries.map(redeliveredEntry) : entriesOf(frame);
    } catch (error) {
      if (!isMessagingError(error, "PROTOCOL_VIOLATION")) throw error; // a fault of ours: the link ends with it
      this.lease.channel?.link.violation(error.message);
      return;
    }
    const { buffer, settings } = this.#scope;
    if (settings.ordered && entries.some(({ losses }) => losses > 0)) this.runner.goOneByOne(settings.inFlightMax);
    for (const entry of entries) if (!this.#aside.takes(entry)) buffer.add(entry);
    this.runner.pump();
  }

  /* ---------- what changes ---------- */

  #gained(gained: Gained): void {
    if (gained === "raise") this.runner.raised();
    this.runner.watchLease();
    this.#aside.send();
    this.runner.pump();
  }
  /** A settle has had its answer. */
  #answered(): void {
    if (this.lease.status.phase === "draining") this.#changed();
    else if (this.runner.isOneByOne) this.runner.pump();
  }
  /**
   * Sends what has piled up, and shows what is going on when that
   * has changed. Called after every attempt: cheap when nothing has.
   */
  #changed(): void {
    const { phase, maySend, isOver } = this.lease.status;
    if (isOver) return;
    const isIdle = this.runner.busy === 0;
    if (!this.#scope.log.empty) this.#settles.schedule(isIdle);
    if (this.runner.hung > 0 && maySend) this.#raise();
    if (phase === "draining" && isIdle) this.#finish();
    if (phase !== "serving" && phase !== "halted") return;
    if (phase === "serving" && !this.#gate.paused) this.#settles.giveCredit();
    const activity = this.#activity;
    if (activity === this.lease.activity) return;
    if (activity === "waiting") this.#quiet.reset();
    else this.lease.show(activity);
  }
  /** Takes the lease anew, one epoch higher. What was handled is settled under the one that ends. */
  #raise(): void {
    this.#settles.flush();
    this.lease.send({ type: "raise.due" });
  }
  get #activity(): Activity {
    if (this.runner.busy > 0) return "handling";
    if (this.#aside.pending > 0) return "settingAside";
    return this.#scope.buffer.backingOff > 0 ? "backingOff" : "waiting";
  }

  /* ---------- its end ---------- */

  #drain(withinMs: number): void {
    const { runtime, settings } = this.#scope;
    runtime.clearTimeout(this.#drainTimer);
    this.#drainTimer = runtime.setTimeout(() => {
      this.#drainTimer = runtime.setTimeout(() => this.lease.lose("revoked"), settings.handlerGraceMs + LAST_WORDS_MS);
      try {
        this.runner.stop();
      } catch (error) {
        this.lease.broken(error);
      }
    }, withinMs);
    this.#changed();
  }
  /** Draining, and no handler runs. */
  #finish(): void {
    const { log, settings } = this.#scope;
    if (this.#aside.isAwaited) return;
    if (!settings.ordered) {
      this.#settles.flush();
      if (!log.empty) return;
    }
    this.lease.send({ type: "attempts.ended", isToldAll: log.empty });
  }
  #drop(): void {
    this.#aside.clear();
    this.#inbox = [];
    this.runner.lose();
    this.#scope.log.drop(this.lease.staleEpoch(this.lease.epoch));
  }
  #end(): void {
    this.#scope.runtime.clearTimeout(this.#drainTimer);
    this.#quiet.stop();
    this.runner.rest();
    this.#onEnded(this);
  }
}
