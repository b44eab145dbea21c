import type { HistorySink } from "../contracts/history.ts";
import type { ClientEnvironment } from "../link/client-environment.ts";
import { type Epoch, offset as offsetOf } from "../message/brands.ts";
import type { ErrorCode } from "../message/errors.ts";
import type { EventBus } from "../runtime/event-bus.ts";
import type { Attempt } from "./attempt.ts";
import { type Entry, idOf } from "./entry.ts";
import { failureInfo } from "./retry-schedule.ts";
import type { SealedSettle } from "./settle-log.ts";

export type LostReason = "expired" | "fenced" | "revoked";

/** What a worker tells of one queue: lifecycle events, and the history if somebody keeps one. Costs nothing unheard. */
export class Chronicle {
  readonly #events: EventBus;
  readonly #history: HistorySink | null;
  readonly #at: { readonly topic: string; readonly queue: number; readonly group: string };
  readonly #consumer: string;
  /** Incarnation of the log under the present grant. */
  logEpoch = 0;

  constructor(
    environment: ClientEnvironment,
    at: { readonly topic: string; readonly queue: number; readonly group: string },
    consumer: string,
  ) {
    this.#events = environment.events;
    this.#history = environment.history;
    this.#at = at;
    this.#consumer = consumer;
  }
  get keepsHistory(): boolean {
    return this.#history !== null;
  }

  granted(epoch: Epoch, revision: number): void {
    this.#history?.record({ type: "granted", ...this.#lease(epoch), revision, logEpoch: this.logEpoch });
    if (this.#events.observed) this.#events.emit({ type: "lease.granted", ...this.#at, epoch });
  }
  released(epoch: Epoch, revision: number): void {
    this.#history?.record({ type: "released", ...this.#lease(epoch), revision });
    if (this.#events.observed) this.#events.emit({ type: "lease.released", ...this.#at, epoch });
  }
  lost(epoch: Epoch, reason: LostReason): void {
    this.#history?.record({ type: "lost", ...this.#lease(epoch), reason });
    if (this.#events.observed) this.#events.emit({ type: "lease.lost", ...this.#at, epoch, reason });
  }

  handling(attempt: Attempt): void {
    this.#history?.record({
      type: "handling",
      ...this.#message(attempt.entry, attempt.epoch),
      attempt: attempt.number,
    });
  }
  handled(attempt: Attempt): void {
    this.#history?.record({ type: "handled", ...this.#message(attempt.entry, attempt.epoch), attempt: attempt.number });
  }
  failed(attempt: Attempt, error: unknown): void {
    this.#history?.record({
      type: "failed",
      ...this.#message(attempt.entry, attempt.epoch),
      attempt: attempt.number,
      error: failureInfo(error).message,
    });
  }
  aborted(attempt: Attempt, reason: string): void {
    this.#history?.record({
      type: "aborted",
      ...this.#message(attempt.entry, attempt.epoch),
      attempt: attempt.number,
      reason,
    });
  }
  abandoned(attempt: Attempt, reason: string): void {
    this.#history?.record({
      type: "abandoned",
      ...this.#message(attempt.entry, attempt.epoch),
      attempt: attempt.number,
      reason,
    });
  }
  attemptFailed(entry: Entry, attempt: number, error: unknown, retryInMs: number | null): void {
    if (!this.#events.observed) return;
    this.#events.emit({
      type: "attempt.failed",
      ...this.#at,
      offset: offsetOf(entry.offset),
      key: entry.key,
      attempt,
      error,
      retryInMs: retryInMs === null ? null : Math.round(retryInMs),
    });
  }

  settled(settle: SealedSettle, revision: number): void {
    for (const entry of settle.entries)
      this.#history?.record({ type: "settled", ...this.#message(entry, settle.epoch), revision });
  }
  settleRefused(settle: SealedSettle, code: ErrorCode): void {
    for (const entry of settle.entries)
      this.#history?.record({ type: "settleRefused", ...this.#message(entry, settle.epoch), code });
    if (this.#events.observed)
      this.#events.emit({ type: "settle.refused", ...this.#at, epoch: settle.epoch, code, messages: settle.messages });
  }
  /** `offsets`: all that went aside with `entry`; `dropped`: those of them that were here. */
  setAside(
    kind: "park" | "dead-letter",
    entry: Entry,
    offsets: readonly number[],
    dropped: readonly Entry[],
    at: { readonly epoch: Epoch; readonly revision: number },
  ): void {
    const { key } = entry;
    if (!offsets.includes(entry.offset)) return; // asked twice, and dealt with since
    if (this.#history !== null)
      for (const offset of offsets) {
        const known = offset === entry.offset ? entry : dropped.find((each) => each.offset === offset);
        this.#history.record({
          type: kind === "park" ? "parked" : "deadLettered",
          ...this.#lease(at.epoch),
          offset: offsetOf(offset),
          logEpoch: this.logEpoch,
          id: known === undefined ? null : idOf(known),
          key,
          revision: at.revision,
        });
      }
    if (!this.#events.observed) return;
    if (kind === "park" && key !== null)
      this.#events.emit({ type: "key.parked", ...this.#at, offset: offsetOf(entry.offset), key });
    else this.#events.emit({ type: "message.deadLettered", ...this.#at, offset: offsetOf(entry.offset), key });
  }
  halted(entry: Entry): void {
    if (this.#events.observed) this.#events.emit({ type: "queue.halted", ...this.#at, offset: offsetOf(entry.offset) });
  }

  #lease(epoch: Epoch) {
    return { ...this.#at, consumer: this.#consumer, epoch };
  }
  #message(entry: Entry, epoch: Epoch) {
    return {
      ...this.#lease(epoch),
      offset: offsetOf(entry.offset),
      logEpoch: this.logEpoch,
      id: idOf(entry),
      key: entry.key,
    };
  }
}
