import { type LeaseLine, type ReceiptLine, receiptAgainMs, servedAgainMs } from "@seriatim/rig";
import type { HistoryEvent } from "@seriatim/testing";
import { GROUPS } from "./settings.ts";
import { roleOf } from "./stage.ts";
import type { Struck } from "./tally.ts";

const QUEUES_APART = 1_000;

/** Counts what a round's history tells: figures for people. The verdict is the checker's. */
export class RoundFigures {
  readonly sent = new Set<string>();
  handled = 0;
  retried = 0;
  duplicateReceipts = 0;
  staleSettlesRefused = 0;
  readonly #handledOnce = new Set<string>();
  /** By process: what it had begun and not seen confirmed. */
  readonly #open = new Map<string, Set<string>>();
  /** By name without incarnation: when the broker confirmed something to it. */
  readonly #confirmed = new Map<string, number[]>();
  readonly #receipts: (ReceiptLine & { readonly sinceMs: number })[] = [];
  readonly #sendingAt = new Map<string, number>();
  readonly #leases: LeaseLine[] = [];

  get handledAgain(): number {
    return this.handled - this.#handledOnce.size;
  }
  take(event: HistoryEvent): void {
    const { process, at } = event;
    switch (event.type) {
      case "sending":
        if (event.id === null) break;
        this.#opened(process).add(event.id);
        this.#sendingAt.set(event.id, at);
        break;
      case "sent":
        if (event.id === null) break;
        this.sent.add(event.id);
        this.#opened(process).delete(event.id);
        if ((event as { duplicate?: boolean }).duplicate === true) this.duplicateReceipts++;
        this.#receipts.push({ at, logEpoch: event.logEpoch ?? 0, sinceMs: this.#sendingAt.get(event.id) ?? at });
        this.#confirm(process, at);
        break;
      case "refused":
        if (event.id !== null) this.#opened(process).delete(event.id);
        break;
      case "handling":
        if (event.attempt > 1) this.retried++;
        this.#opened(process).add(placeOf(event));
        break;
      case "handled":
        this.handled++;
        this.#handledOnce.add(`${event.group} ${event.id}`);
        break;
      case "settled":
      case "parked":
        this.#opened(process).delete(placeOf(event));
        this.#confirm(process, at);
        break;
      case "settleRefused":
        this.staleSettlesRefused++;
        break;
      case "granted":
      case "released":
      case "lost": {
        const group = GROUPS.findIndex(({ name }) => name === event.group);
        this.#leases.push({ type: event.type, process, queue: group * QUEUES_APART + Number(event.queue), at });
        if (event.type !== "lost") this.#confirm(process, at);
      }
    }
  }
  /** Once all lines were taken. */
  finish(): void {
    for (const times of this.#confirmed.values()) times.sort((a, b) => a - b);
    this.#receipts.sort((a, b) => a.at - b.at);
    this.#leases.sort((a, b) => a.at - b.at);
  }
  /** Whether what was killed had something begun and not confirmed. */
  hadWorkInFlight(target: string, atMs: number): boolean {
    if (roleOf(target) !== "broker") return (this.#open.get(target)?.size ?? 0) > 0;
    return this.#receipts.some(({ at, sinceMs }) => sinceMs < atMs && atMs < at);
  }
  /**
   * How long it took until what the fault had stopped went on, in ms;
   * `null` when the round ended before, or nothing had been going on.
   */
  recoveryMs({ kind, targets, atMs, healedAtMs }: Struck): number | null {
    const [target = ""] = targets;
    const name = target.slice(0, target.indexOf("#"));
    switch (kind) {
      case "kill-consumer":
      case "freeze-consumer":
        return servedAgainMs(this.#leases, { process: target, at: atMs });
      case "kill-broker":
      case "restart-all":
        return receiptAgainMs(this.#receipts, atMs);
      case "freeze-broker":
      case "disk-full":
      case "io-error":
      case "rolling-restart":
        return sinceThen(this.#receipts.find(({ at }) => at > healedAtMs)?.at, healedAtMs);
      case "kill-producer":
        return this.#nextConfirmed(name, atMs);
      default:
        return this.#nextConfirmed(name, healedAtMs);
    }
  }

  #nextConfirmed(name: string, from: number): number | null {
    return sinceThen(
      this.#confirmed.get(name)?.find((at) => at > from),
      from,
    );
  }
  #confirm(process: string, at: number): void {
    const name = process.slice(0, process.indexOf("#"));
    const times = this.#confirmed.get(name);
    if (times === undefined) this.#confirmed.set(name, [at]);
    else times.push(at);
  }
  #opened(process: string): Set<string> {
    let open = this.#open.get(process);
    if (open === undefined) {
      open = new Set();
      this.#open.set(process, open);
    }
    return open;
  }
}
const placeOf = (event: { readonly group: string; readonly queue: number | string; readonly offset: number }): string =>
  `${event.group}/${event.queue}/${event.offset}`;
const sinceThen = (at: number | undefined, from: number): number | null => (at === undefined ? null : at - from);
