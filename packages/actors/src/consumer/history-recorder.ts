import type { HistorySink } from "../contracts/history.ts";
import type { ClientEnvironment } from "../link/client-environment.ts";
import { type Epoch, offset as offsetOf } from "../message/brands.ts";
import type { ErrorCode } from "../message/errors.ts";
import type { EventBus } from "../runtime/event-bus.ts";
import type { LeaseLostReason } from "./consumer-lease.machine.ts";
import { type Entry, idOf } from "./entry.ts";
import { failureInfo } from "./retry-schedule.ts";

/** One attempt, as a history tells it. */
interface Tried {
  readonly entry: Entry;
  readonly epoch: Epoch;
  readonly number: number;
}

/** Records what happens on one queue: as events, and in the history if somebody keeps one. Costs nothing unheard. */
export class HistoryRecorder {
  readonly #events: EventBus;
  readonly #history: HistorySink | null;
  readonly #at: { readonly topic: string; readonly queue: number; readonly group: string };
  readonly #consumer: string;
  /** Incarnation of the log under the present grant. */
  logEpoch = 0;

  constructor(
    { events, history }: Pick<ClientEnvironment, "events" | "history">,
    at: { readonly topic: string; readonly queue: number; readonly group: string },
    consumer: string,
  ) {
    this.#events = events;
    this.#history = history;
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
  lost(epoch: Epoch, reason: LeaseLostReason): void {
    this.#history?.record({ type: "lost", ...this.#lease(epoch), reason });
    if (this.#events.observed) this.#events.emit({ type: "lease.lost", ...this.#at, epoch, reason });
  }

  handling(attempt: Tried): void {
    this.#history?.record({ type: "handling", ...this.#attempt(attempt) });
  }
  handled(attempt: Tried): void {
    this.#history?.record({ type: "handled", ...this.#attempt(attempt) });
  }
  failed(attempt: Tried, error: unknown): void {
    this.#history?.record({ type: "failed", ...this.#attempt(attempt), error: failureInfo(error).message });
  }
  aborted(attempt: Tried, reason: string): void {
    this.#history?.record({ type: "aborted", ...this.#attempt(attempt), reason });
  }
  abandoned(attempt: Tried, reason: string): void {
    this.#history?.record({ type: "abandoned", ...this.#attempt(attempt), reason });
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

  settled(entries: readonly Entry[], epoch: Epoch, revision: number): void {
    for (const entry of entries) this.#history?.record({ type: "settled", ...this.#message(entry, epoch), revision });
  }
  settleRefused(entries: readonly Entry[], epoch: Epoch, code: ErrorCode, messages: number): void {
    for (const entry of entries) this.#history?.record({ type: "settleRefused", ...this.#message(entry, epoch), code });
    if (this.#events.observed) this.#events.emit({ type: "settle.refused", ...this.#at, epoch, code, messages });
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

  #attempt({ entry, epoch, number }: Tried) {
    return { ...this.#message(entry, epoch), attempt: number };
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
