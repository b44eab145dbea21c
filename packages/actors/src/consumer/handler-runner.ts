import { MessagingError } from "../message/errors.ts";
import type { Message } from "../message/message.ts";
import { PackedReader } from "../message/packed.ts";
import { LOSSES_MAX } from "../protocol/frames.ts";
import { SweepTimer } from "../runtime/sweep-timer.ts";
import { type AbortCause, Attempt, AttemptContext, type AttemptEnd, FencedContext } from "./attempt.ts";
import type { ConsumerLease } from "./consumer-lease.ts";
import { type Entry, type KeyLine, readMessage } from "./entry.ts";
import { BY_TAKER } from "./forms.ts";
import type { QueueScope } from "./scope.ts";
import type { SettingAside } from "./setting-aside.ts";
import type { SettleSender } from "./settle-sender.ts";
import type { StartGate } from "./start-gate.ts";

/**
 * Runs the handlers of one queue: who may start, and what becomes of how it ended.
 * It outlives its lease for as long as a handler does.
 */
export class HandlerRunner {
  readonly #scope: QueueScope;
  readonly #lease: ConsumerLease;
  readonly #settles: SettleSender;
  readonly #aside: SettingAside;
  readonly #gate: StartGate;
  readonly #onChange: () => void;
  readonly #reader = new PackedReader(new Uint8Array(0));
  readonly #running: Attempt[] = [];
  /** Abandoned, and the lease not raised yet. */
  readonly #hung = new Set<Attempt>();
  readonly #timer: SweepTimer;
  /** So many more messages start only when the broker knows what was handled before them. */
  #oneByOne = 0;
  #isPumping = false;

  /** `onChange`: handlers have started or ended. */
  constructor(
    scope: QueueScope,
    parts: {
      readonly lease: ConsumerLease;
      readonly settles: SettleSender;
      readonly aside: SettingAside;
      readonly gate: StartGate;
    },
    onChange: () => void,
  ) {
    this.#scope = scope;
    this.#lease = parts.lease;
    this.#settles = parts.settles;
    this.#aside = parts.aside;
    this.#gate = parts.gate;
    this.#onChange = onChange;
    this.#timer = new SweepTimer(scope.runtime, () => this.#guarded(() => this.#sweep()));
  }
  /** Handlers that run, or are abandoned without a successor yet. */
  get busy(): number {
    return this.#running.length + this.#hung.size;
  }
  /** Abandoned handlers that the lease must be raised above. */
  get hung(): number {
    return this.#hung.size;
  }
  /**
   * An earlier lease ended with a message in hand, and the broker must see which one: so many are handled one by one.
   */
  goOneByOne(messages: number): void {
    this.#oneByOne = messages;
  }
  /** What starts next waits until the broker has confirmed what was handled before. */
  get isOneByOne(): boolean {
    return this.#oneByOne > 0;
  }

  /** Starts what may start. */
  readonly pump = (): void => this.#pump(null);
  /** `readAt`: when the lease was looked at, in this very step. The first start needs no second look. */
  #pump(readAt: number | null): void {
    if (this.#isPumping) return;
    this.#isPumping = true;
    try {
      const { buffer, runtime, settings } = this.#scope;
      let looked = readAt;
      while (buffer.ready && this.busy < settings.concurrency && this.#mayStart) {
        const now = looked ?? runtime.now();
        if (looked === null && !this.#lease.isAlive(now)) break;
        looked = null;
        if (!this.#gate.pass(now, this.pump)) break;
        const line = buffer.take();
        if (line?.head != null) this.#start(line, line.head, now);
      }
    } finally {
      this.#isPumping = false;
    }
    this.#onChange();
  }
  get #mayStart(): boolean {
    return this.#lease.status.mayStart && !this.#gate.paused && (this.#oneByOne === 0 || this.#scope.log.empty);
  }
  #start(line: KeyLine, entry: Entry, now: number): void {
    const { inHand, queue, recorder, schedule, settings, topic } = this.#scope;
    if (entry.attempts >= schedule.attempts || entry.losses >= LOSSES_MAX) {
      this.#exhausted(entry, exhaustedBefore(entry));
      return;
    }
    let message: Message<unknown>;
    try {
      message = readMessage(this.#reader, topic, queue, entry);
    } catch (error) {
      entry.attempts++;
      recorder.attemptFailed(entry, entry.attempts, error, null);
      this.#exhausted(entry, error);
      return;
    }
    if (inHand !== null && !inHand.take(entry.key, settings.concurrency === 1)) {
      inHand.whenFree(() =>
        this.#guarded(() => {
          this.#scope.buffer.release(line);
          this.pump();
        }),
      );
      return;
    }
    const attempt = new Attempt(this.#lease, entry, now, this.#ended);
    attempt.place = this.#running.push(attempt) - 1;
    this.#timer.arm(attempt.timeoutAt);
    recorder.handling(attempt);
    try {
      const context = inHand === null ? new AttemptContext(attempt) : new FencedContext(attempt);
      const result = this.#gate.form?.take(message, context, attempt);
      if (result === BY_TAKER) return;
      if (!isThenable(result)) {
        attempt.end("done");
        return;
      }
      (result instanceof Promise ? result : Promise.resolve(result)).then(
        () => attempt.end("done"),
        (error: unknown) => attempt.end("failed", error),
      );
    } catch (error) {
      attempt.end("failed", error);
    }
  }

  readonly #ended = (attempt: Attempt, how: AttemptEnd, error?: unknown): void => {
    if (attempt.phase === "over") return;
    try {
      this.#end(attempt, how, error);
    } catch (broken) {
      this.#lease.broken(broken);
    }
  };
  #end(attempt: Attempt, how: AttemptEnd, error: unknown): void {
    const now = this.#scope.runtime.now();
    const isAlive = this.#lease.isAlive(now);
    const counts = isAlive && (attempt.cause === null || attempt.cause === "stop");
    if (how === "done" && counts && attempt.emits !== null && attempt.emits.length > 0) {
      this.#emit(attempt);
      return;
    }
    this.#over(attempt);
    try {
      this.#settle(attempt, how, error, isAlive);
    } finally {
      this.#free(attempt); // also where that went wrong: else nothing of the key would ever start again
    }
    this.#pump(isAlive ? now : null);
  }
  /** What becomes of a message whose handler has ended. */
  #settle(attempt: Attempt, how: AttemptEnd, error: unknown, isAlive: boolean): void {
    const { buffer, credit, log, recorder } = this.#scope;
    const { entry } = attempt;
    const timedOut = attempt.cause === "timeout";
    if (how === "done" && !timedOut) recorder.handled(attempt);
    else recorder.failed(attempt, timedOut ? attempt.timeoutError : how === "released" ? RELEASED : error);
    if (attempt.cause === "lease" || !isAlive) lost(attempt);
    else if (timedOut) this.#failed(attempt, attempt.timeoutError);
    else if (how === "done") {
      log.handled(entry, attempt.onOutcome);
      if (this.#oneByOne > 0) this.#oneByOne--;
      credit.left(entry.length);
      buffer.leave(entry);
    } else if (how === "failed" && attempt.cause === null) this.#failed(attempt, error);
    else lost(attempt); // put back: its line stays held, the worker is on its way out
  }
  #over(attempt: Attempt): void {
    attempt.phase = "over";
    const last = this.#running.pop() as Attempt;
    if (last !== attempt) {
      last.place = attempt.place;
      this.#running[last.place] = last;
    }
  }
  #free(attempt: Attempt): void {
    this.#scope.inHand?.free(attempt.entry.key);
  }
  /** An attempt has failed and its handler is gone: again later, or never. */
  #failed(attempt: Attempt, error: unknown): void {
    const { buffer, credit, inHand, log, recorder, runtime, schedule } = this.#scope;
    const { entry } = attempt;
    entry.attempts = Math.max(entry.attempts, attempt.number);
    const waitMs = schedule.waitMs(entry.attempts, error);
    recorder.attemptFailed(entry, attempt.number, error, waitMs);
    attempt.onOutcome?.("failed", error);
    if (waitMs === null) {
      this.#exhausted(entry, error);
      return;
    }
    log.failed(entry);
    if (inHand === null) {
      credit.left(entry.length);
      buffer.leave(entry); // the broker brings it again, to anyone
      return;
    }
    const { line } = entry;
    if (line === null) return;
    const dueAt = runtime.now() + waitMs;
    buffer.backOff(line, dueAt);
    this.#timer.arm(dueAt);
  }
  /**
   * It will not be tried again. What was handled before is settled
   * before: else it could come again behind a parked head (P6).
   */
  #exhausted(entry: Entry, error: unknown): void {
    this.#settles.flush();
    this.#aside.exhausted(entry, error);
  }
  /** What the handler has emitted goes out, in order, and is waited for before the message counts as handled. */
  #emit(attempt: Attempt): void {
    const { environment, queue, settings, topic } = this.#scope;
    const { appendedAtMs, offset } = attempt.entry;
    const emits = attempt.emits ?? [];
    attempt.emits = null;
    // an offset may be given twice (`memory` messages that a crash
    // has taken); together with the time of appending it is not
    const cause = `emit:${settings.group}:${topic.name}/${queue}/${offset}/${appendedAtMs}`;
    try {
      const sends = emits.map(({ topic: target, body, options }, index) =>
        environment.emitter(target).send(body, { ...options, id: `${cause}#${index}` }),
      );
      Promise.all(sends).then(
        () => attempt.end("done"),
        (error: unknown) => attempt.end("failed", error),
      );
    } catch (error) {
      attempt.end("failed", error);
    }
  }

  /** A drain's time is up: fires the signals of what runs. What does not end within its grace is abandoned. */
  stop(): void {
    this.#abortAll("stop");
  }
  /** The lease is over: nothing here counts any more. Keys whose handlers have not ended stay in hand. */
  lose(): void {
    this.#abortAll("lease");
    for (const attempt of this.#hung) this.#outlived(attempt, false);
    this.#scope.buffer.clear();
  }
  #abortAll(cause: AbortCause): void {
    for (const attempt of [...this.#running])
      if (attempt.phase !== "over") this.#abort(attempt, cause, attempt.staleError);
  }
  #abort(attempt: Attempt, cause: AbortCause, reason: unknown): void {
    const { recorder, runtime, settings } = this.#scope;
    const isFirst = attempt.cause === null;
    attempt.abort(cause, runtime.now() + settings.handlerGraceMs, reason);
    this.#timer.arm(attempt.graceAt);
    if (isFirst) recorder.aborted(attempt, CAUSES[cause]);
  }
  /** The lease has been raised above every abandoned handler: their messages go on. */
  raised(): void {
    for (const attempt of this.#hung) this.#outlived(attempt, attempt.cause === "timeout");
  }
  #outlived(attempt: Attempt, failed: boolean): void {
    this.#hung.delete(attempt);
    try {
      if (failed) this.#failed(attempt, attempt.timeoutError);
      else lost(attempt);
    } finally {
      this.#free(attempt);
    }
  }
  /** The worker is over: the timer stays only for handlers that have not ended. */
  rest(): void {
    this.#gate.leave(this.pump);
    if (this.busy === 0) this.#timer.stop();
  }
  /** Looks when the lease would run out. */
  watchLease(): void {
    this.#timer.arm(this.#scope.runtime.now() + this.#lease.clock.remainingMs);
  }

  #guarded(step: () => void): void {
    try {
      step();
    } catch (error) {
      this.#lease.broken(error);
    }
  }
  /** Looks at everything that waits for a time: one timer for all of it. */
  #sweep(): void {
    const now = this.#scope.runtime.now();
    if (this.#lease.isAlive(now)) this.watchLease();
    // one that goes wrong keeps no other from its end
    for (const attempt of [...this.#running]) this.#guarded(() => this.#lookAt(attempt, now));
    this.#timer.arm(this.#scope.buffer.due(now));
    this.pump();
  }
  #lookAt(attempt: Attempt, now: number): void {
    if (attempt.phase === "running" && now >= attempt.timeoutAt) this.#abort(attempt, "timeout", attempt.timeoutError);
    if (attempt.phase === "aborted" && now >= attempt.graceAt) this.#abandon(attempt);
    else if (attempt.phase !== "over")
      this.#timer.arm(attempt.phase === "running" ? attempt.timeoutAt : attempt.graceAt);
  }
  /**
   * Rule 22: it ignored its signal past its grace. What it still does is fenced, once the epoch is higher than its own.
   */
  #abandon(attempt: Attempt): void {
    this.#over(attempt);
    this.#scope.recorder.abandoned(attempt, CAUSES[attempt.cause ?? "timeout"]);
    if (attempt.cause === "lease") {
      lost(attempt);
      this.#free(attempt);
    } else if (this.#scope.inHand !== null) {
      this.#hung.add(attempt);
    } else if (attempt.cause === "timeout") this.#failed(attempt, attempt.timeoutError);
    else lost(attempt);
  }
}

const lost = (attempt: Attempt): void => attempt.onOutcome?.("lost", attempt.staleError);
const CAUSES: Readonly<Record<AbortCause, string>> = {
  timeout: "HANDLER_TIMEOUT",
  lease: "STALE_EPOCH",
  stop: "CLOSED",
};
const RELEASED = new MessagingError("CLOSED", "released unsettled");
const exhaustedBefore = ({ attempts, losses }: Entry): Error =>
  new Error(
    losses >= LOSSES_MAX ? `${losses} leases ended with it in hand` : `${attempts} attempts failed before it came here`,
  );
/** Throws what a `then` getter throws: that fails the attempt like any other throw. */
const isThenable = (value: unknown): value is PromiseLike<unknown> =>
  ((typeof value === "object" && value !== null) || typeof value === "function") &&
  typeof (value as { then?: unknown }).then === "function";
