import type { Epoch } from "../message/brands.ts";
import { MessagingError } from "../message/errors.ts";
import { LOSSES_MAX } from "../protocol/frames.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { type AbortCause, Attempt, AttemptContext, type AttemptHost, FencedContext, handlingOver } from "./attempt.ts";
import type { Chronicle } from "./chronicle.ts";
import { DeliveryBuffer, type Lane } from "./delivery-buffer.ts";
import type { Entry } from "./entry.ts";
import { BY_TAKER } from "./form.ts";
import type { InHand } from "./in-hand.ts";
import type { OnSettled } from "./settle-log.ts";
import { SweepTimer } from "./sweep-timer.ts";
import { readMessage, type Work } from "./work.ts";

/** The worker, as its hands see it. */
export interface HandsOwner {
  readonly epoch: Epoch;
  /** Whether handlers may start at all: the lease aside. */
  readonly mayStart: boolean;
  /** Does what ends now still count, may something start? If not, the lease has been given up for lost. `now`: the monotonic clock as just read; reads the other. */
  alive(now: number): boolean;
  /** Ms until the holder's own deadline. */
  readonly leaseRemainingMs: number;
  staleEpoch(epoch: Epoch): MessagingError;
  handled(entry: Entry, listener: OnSettled | null): void;
  /** It failed and will be tried again. */
  failed(entry: Entry): void;
  /** It will not be tried again: set it aside. */
  exhausted(entry: Entry, error: unknown): void;
  /** Past its grace: nothing of its key starts until the lease has been raised. */
  hung(attempt: Attempt): void;
  /** Look again at what is going on here. */
  changed(): void;
  broken(error: unknown): void;
}

/** Runs the handlers of one leased queue: who may start, what becomes of how it ended. It outlives its lease for as long as a handler does. */
export class Hands implements AttemptHost {
  readonly buffer: DeliveryBuffer;
  readonly #work: Work;
  readonly #owner: HandsOwner;
  readonly #chronicle: Chronicle;
  readonly #runtime: Runtime;
  readonly #queue: number;
  /** Where keys are in hand; `null` on unordered topics. */
  readonly #inHand: InHand | null;
  readonly #running: Attempt[] = [];
  /** Abandoned, and the lease not raised yet. */
  readonly #hung = new Set<Attempt>();
  readonly #timer: SweepTimer;
  #pumping = false;

  constructor(
    work: Work,
    owner: HandsOwner,
    at: { readonly queue: number; readonly chronicle: Chronicle; readonly inHand: InHand | null },
  ) {
    const { settings } = work;
    this.#work = work;
    this.#owner = owner;
    this.#queue = at.queue;
    this.#chronicle = at.chronicle;
    this.#inHand = at.inHand;
    this.#runtime = work.environment.runtime;
    this.buffer = new DeliveryBuffer(!settings.ordered ? "none" : settings.concurrency === 1 ? "queue" : "key");
    this.#timer = new SweepTimer(this.#runtime, () => this.#guarded(() => this.#sweep()));
  }
  /** Handlers that run, or are abandoned without a successor yet. */
  get busy(): number {
    return this.#running.length + this.#hung.size;
  }

  get group(): string {
    return this.#work.settings.group;
  }

  /** Starts what may start. */
  pump(): void {
    this.#pump(null);
  }
  /** `readAt`: when the lease was looked at, in this very step. The first start needs no second look. */
  #pump(readAt: number | null): void {
    if (this.#pumping) return;
    this.#pumping = true;
    try {
      const { settings, form, pace } = this.#work;
      let looked = readAt;
      while (this.buffer.ready && this.busy < settings.concurrency && this.#owner.mayStart) {
        const now = looked ?? this.#runtime.now();
        if (looked === null && !this.#owner.alive(now)) break;
        looked = null;
        if (!form.ready() || !pace.step(now)) {
          this.#work.line.wait(this);
          break;
        }
        const lane = this.buffer.take();
        if (lane?.head != null) this.#start(lane, lane.head, now);
      }
    } finally {
      this.#pumping = false;
    }
    this.#owner.changed();
  }
  #start(lane: Lane, entry: Entry, now: number): void {
    const work = this.#work;
    if (entry.attempts >= work.schedule.attempts || entry.losses >= LOSSES_MAX) {
      this.#owner.exhausted(entry, exhaustedBefore(entry));
      return;
    }
    let message: ReturnType<typeof readMessage>;
    try {
      message = readMessage(work.topic, this.#queue, entry);
    } catch (error) {
      entry.attempts++;
      this.#chronicle.attemptFailed(entry, entry.attempts, error, null);
      this.#owner.exhausted(entry, error);
      return;
    }
    const inHand = this.#inHand;
    if (inHand !== null && !inHand.take(entry.key, work.settings.concurrency === 1)) {
      inHand.whenFree(() =>
        this.#guarded(() => {
          this.buffer.release(lane);
          this.pump();
        }),
      );
      return;
    }
    const attempt = new Attempt(this, entry, this.#owner.epoch, now + work.settings.handlerTimeoutMs);
    attempt.place = this.#running.push(attempt) - 1;
    this.#timer.arm(attempt.timeoutAt);
    this.#chronicle.handling(attempt);
    try {
      const context = inHand === null ? new AttemptContext(attempt) : new FencedContext(attempt);
      const result = work.form.take(message, context, attempt);
      if (result === BY_TAKER) return;
      if (!isThenable(result)) {
        this.end(attempt, "done");
        return;
      }
      (result instanceof Promise ? result : Promise.resolve(result)).then(
        () => this.end(attempt, "done"),
        (error: unknown) => this.end(attempt, "failed", error),
      );
    } catch (error) {
      this.end(attempt, "failed", error);
    }
  }

  end(attempt: Attempt, how: "done" | "failed" | "released", error?: unknown): void {
    if (attempt.phase === "over") return;
    try {
      this.#end(attempt, how, error);
    } catch (broken) {
      this.#owner.broken(broken);
    }
  }
  #end(attempt: Attempt, how: "done" | "failed" | "released", error: unknown): void {
    const now = this.#runtime.now();
    const alive = this.#owner.alive(now);
    if (
      how === "done" &&
      attempt.emits !== null &&
      attempt.emits.length > 0 &&
      (attempt.cause === null || attempt.cause === "stop") &&
      alive
    ) {
      this.#emit(attempt);
      return;
    }
    this.#over(attempt);
    try {
      this.#settle(attempt, how, error, alive);
    } finally {
      this.#inHand?.free(attempt.entry.key); // also where that went wrong: else nothing of the key would ever start again
    }
    this.#pump(alive ? now : null);
  }
  /** What becomes of a message whose handler has ended. */
  #settle(attempt: Attempt, how: "done" | "failed" | "released", error: unknown, alive: boolean): void {
    const { entry } = attempt;
    const timedOut = attempt.cause === "timeout";
    const lost = attempt.cause === "lease" || !alive;
    if (how === "done" && !timedOut) this.#chronicle.handled(attempt);
    else
      this.#chronicle.failed(
        attempt,
        timedOut ? timeoutOf(attempt, this.#work.settings.handlerTimeoutMs) : how === "released" ? RELEASED : error,
      );
    if (lost) attempt.onOutcome?.("lost", this.#owner.staleEpoch(attempt.epoch));
    else if (timedOut) this.#failed(attempt, timeoutOf(attempt, this.#work.settings.handlerTimeoutMs));
    else if (how === "done") {
      this.#owner.handled(entry, attempt.onOutcome);
      this.buffer.leave(entry);
    } else if (how === "failed" && attempt.cause === null) this.#failed(attempt, error);
    else attempt.onOutcome?.("lost", this.#owner.staleEpoch(attempt.epoch)); // put back: its lane stays held, the worker is on its way out
  }
  #over(attempt: Attempt): void {
    attempt.phase = "over";
    const last = this.#running.pop() as Attempt;
    if (last !== attempt) {
      last.place = attempt.place;
      this.#running[last.place] = last;
    }
  }
  /** An attempt has failed and its handler is gone: again later, or never. */
  #failed(attempt: Attempt, error: unknown): void {
    const { entry } = attempt;
    entry.attempts = Math.max(entry.attempts, attempt.number);
    const waitMs = this.#work.schedule.waitMs(entry.attempts, error);
    this.#chronicle.attemptFailed(entry, attempt.number, error, waitMs);
    attempt.onOutcome?.("failed", error);
    if (waitMs === null) {
      this.#owner.exhausted(entry, error);
      return;
    }
    this.#owner.failed(entry);
    if (this.#inHand === null) {
      this.buffer.leave(entry); // the broker brings it again, to anyone
      return;
    }
    const lane = entry.lane;
    if (lane === null) return;
    const dueAt = this.#runtime.now() + waitMs;
    this.buffer.backOff(lane, dueAt);
    this.#timer.arm(dueAt);
  }
  /** What the handler has emitted goes out, in order, and is waited for before the message counts as handled. */
  #emit(attempt: Attempt): void {
    const { environment, topic, settings } = this.#work;
    const { entry } = attempt;
    const emits = attempt.emits ?? [];
    attempt.emits = null;
    // the offset alone may be given twice (`memory` messages that a crash has taken), together with the time of appending it is not
    const cause = `emit:${settings.group}:${topic.name}/${this.#queue}/${entry.offset}/${entry.appendedAtMs}`;
    try {
      const sends = emits.map(({ topic: target, body, options }, index) =>
        environment.emitter(target).send(body, { ...options, id: `${cause}#${index}` }),
      );
      Promise.all(sends).then(
        () => this.end(attempt, "done"),
        (error: unknown) => this.end(attempt, "failed", error),
      );
    } catch (error) {
      this.end(attempt, "failed", error);
    }
  }

  assertLive(attempt: Attempt): void {
    if (attempt.cause === "timeout") throw timeoutOf(attempt, this.#work.settings.handlerTimeoutMs);
    if (attempt.cause === "lease") throw this.#owner.staleEpoch(attempt.epoch);
    if (attempt.phase === "over") throw handlingOver(attempt);
    if (!this.#owner.alive(this.#runtime.now())) throw this.#owner.staleEpoch(attempt.epoch);
  }
  heartbeat(attempt: Attempt): void {
    this.assertLive(attempt);
    if (attempt.phase === "running") attempt.timeoutAt = this.#runtime.now() + this.#work.settings.handlerTimeoutMs;
  }

  /** Fires the signals of what runs. What does not end within its grace is abandoned. */
  abort(cause: AbortCause, reason: (attempt: Attempt) => unknown): void {
    for (const attempt of [...this.#running])
      if (attempt.phase !== "over") this.#abort(attempt, cause, reason(attempt));
  }
  #abort(attempt: Attempt, cause: AbortCause, reason: unknown): void {
    const first = attempt.cause === null;
    attempt.abort(cause, this.#runtime.now() + this.#work.settings.handlerGraceMs, reason);
    this.#timer.arm(attempt.graceAt);
    if (first) this.#chronicle.aborted(attempt, CAUSES[cause]);
  }
  /** The lease is over: nothing here counts any more. Keys whose handlers have not ended stay in hand. */
  lose(): void {
    this.abort("lease", (attempt) => this.#owner.staleEpoch(attempt.epoch));
    for (const attempt of this.#hung) this.#outlived(attempt, false);
    this.buffer.clear();
  }
  /** The lease has been raised above every abandoned handler in `hung`: their messages go on. */
  raised(hung: readonly Attempt[]): void {
    for (const attempt of hung) this.#outlived(attempt, attempt.cause === "timeout");
    this.pump();
  }
  #outlived(attempt: Attempt, failed: boolean): void {
    if (!this.#hung.delete(attempt)) return;
    try {
      if (failed) this.#failed(attempt, timeoutOf(attempt, this.#work.settings.handlerTimeoutMs));
      else attempt.onOutcome?.("lost", this.#owner.staleEpoch(attempt.epoch));
    } finally {
      this.#inHand?.free(attempt.entry.key);
    }
  }
  /** The worker is over: the timer stays only for handlers that have not ended. */
  rest(): void {
    if (this.busy === 0) this.#timer.stop();
  }
  /** When the lease would run out: look then. */
  watchLease(): void {
    this.#timer.arm(this.#runtime.now() + this.#owner.leaseRemainingMs);
  }

  #guarded(step: () => void): void {
    try {
      step();
    } catch (error) {
      this.#owner.broken(error);
    }
  }
  /** Looks at everything that waits for a time: one timer for all of it. */
  #sweep(): void {
    const now = this.#runtime.now();
    const alive = this.#owner.alive(now);
    if (alive) this.#timer.arm(now + this.#owner.leaseRemainingMs);
    for (const attempt of [...this.#running]) this.#guarded(() => this.#lookAt(attempt, now)); // one that goes wrong keeps no other from its end
    this.#timer.arm(this.buffer.due(now));
    this.pump();
  }
  #lookAt(attempt: Attempt, now: number): void {
    if (attempt.phase === "running" && now >= attempt.timeoutAt)
      this.#abort(attempt, "timeout", timeoutOf(attempt, this.#work.settings.handlerTimeoutMs));
    if (attempt.phase === "aborted" && now >= attempt.graceAt) this.#abandon(attempt);
    else if (attempt.phase !== "over")
      this.#timer.arm(attempt.phase === "running" ? attempt.timeoutAt : attempt.graceAt);
  }
  /** Rule 22: it ignored its signal past its grace. Whatever it still does is fenced, once the epoch is a higher one than its own. */
  #abandon(attempt: Attempt): void {
    this.#over(attempt);
    this.#chronicle.abandoned(attempt, CAUSES[attempt.cause ?? "timeout"]);
    if (attempt.cause === "lease") {
      attempt.onOutcome?.("lost", this.#owner.staleEpoch(attempt.epoch));
      this.#inHand?.free(attempt.entry.key);
    } else if (this.#inHand === null) {
      if (attempt.cause === "timeout") this.#failed(attempt, timeoutOf(attempt, this.#work.settings.handlerTimeoutMs));
      else attempt.onOutcome?.("lost", this.#owner.staleEpoch(attempt.epoch));
    } else {
      this.#hung.add(attempt);
      this.#owner.hung(attempt);
    }
  }
}

const CAUSES: Readonly<Record<AbortCause, string>> = {
  timeout: "HANDLER_TIMEOUT",
  lease: "STALE_EPOCH",
  stop: "CLOSED",
};
const RELEASED = new MessagingError("CLOSED", "released unsettled");
const timeoutOf = (attempt: Attempt, ms: number): MessagingError<"HANDLER_TIMEOUT"> =>
  new MessagingError(
    "HANDLER_TIMEOUT",
    `attempt ${attempt.number} at message ${attempt.entry.offset} took longer than ${ms} ms`,
    {
      data: { offset: attempt.entry.offset, attempt: attempt.number, timeoutMs: ms },
    },
  );
const exhaustedBefore = ({ attempts, losses }: Entry): Error =>
  new Error(
    losses >= LOSSES_MAX ? `${losses} leases ended with it in hand` : `${attempts} attempts failed before it came here`,
  );
/** Throws what a `then` getter throws: that fails the attempt like any other throw. */
const isThenable = (value: unknown): value is PromiseLike<unknown> =>
  ((typeof value === "object" && value !== null) || typeof value === "function") &&
  typeof (value as { then?: unknown }).then === "function";
