import type { QueueRef, SentEvent, TailLostEvent } from "../history-event.ts";
import type { HistoryModel } from "./history-model.ts";

/**
 * Which acknowledged messages a crash of their broker may have taken. Below `synced` only, and `flushed` ones only
 * where the power failed.
 * A producer whose lane goes on in the new log must have named them with `tailLost`; one that wrote nothing more there
 * could not know.
 * One that was fenced before it could go on names what it still held, and is not told of what the power took of the
 * rest.
 */
export class TailLosses {
  readonly #model: HistoryModel;
  readonly #losesFlushed: boolean;
  readonly #named = new Map<string, { readonly event: TailLostEvent; left: number }[]>();
  readonly #newestMet = new Map<string, number>();
  readonly #receipts = new Map<string, SentEvent[]>();

  constructor(model: HistoryModel) {
    this.#model = model;
    this.#losesFlushed = model.processes.hadPowerLoss();
    for (const event of model.tailLost) {
      const lane = laneName(event);
      const named = { event, left: event.to - event.from };
      const others = this.#named.get(lane);
      if (others === undefined) this.#named.set(lane, [named]);
      else others.push(named);
    }
    for (const log of model.logs()) {
      for (const here of log.places()) {
        for (const stored of here) {
          for (const sent of stored.sent) {
            const newest = Math.max(this.#newestMet.get(laneName(sent)) ?? 0, sent.logEpoch ?? 0);
            this.#newestMet.set(laneName(sent), newest);
            const receipts = this.#receipts.get(laneName(sent));
            if (receipts === undefined) this.#receipts.set(laneName(sent), [sent]);
            else receipts.push(sent);
          }
        }
      }
    }
  }

  /** Whether this acknowledged message may be gone. Each place in a `tailLost` without sequence numbers excuses one. */
  excuses(sent: SentEvent): boolean {
    if (sent.durability === "synced" || (sent.durability === "flushed" && !this.#losesFlushed)) return false;
    if (!this.#model.log(sent.topic, sent.queue).hasRestarted()) return false;
    const named = (this.#named.get(laneName(sent)) ?? []).filter(({ event }) => event.n > sent.n);
    if (named.length === 0 && !this.#wentOn(sent)) return true;
    const { sequence } = sent;
    if (sequence !== undefined && named.some(({ event }) => event.from <= sequence && sequence < event.to)) return true;
    const free = sequence === undefined ? named.find(({ left }) => left > 0) : undefined;
    if (free !== undefined) free.left--;
    return free !== undefined || (this.#losesFlushed && this.#wasFenced(sent));
  }

  /** It wrote that it was fenced, and nothing of this lane in a newer log before. */
  #wasFenced(sent: SentEvent): boolean {
    const fenced = this.#model.refused.find(
      (line) =>
        line.type === "refused" &&
        line.code === "PRODUCER_FENCED" &&
        line.process === sent.process &&
        line.topic === sent.topic &&
        line.n > sent.n,
    );
    if (fenced === undefined) return false;
    const { logEpoch } = sent;
    if (typeof logEpoch !== "number") return false;
    return !(this.#receipts.get(laneName(sent)) ?? []).some(
      (line) => line.n > sent.n && line.n < fenced.n && (line.logEpoch ?? 0) > logEpoch,
    );
  }
  #wentOn(sent: SentEvent): boolean {
    const newest = this.#newestMet.get(laneName(sent)) ?? 0;
    return typeof sent.logEpoch === "number" && newest > sent.logEpoch;
  }
}

function laneName(of: { readonly process: string; readonly topic: string; readonly queue: QueueRef }): string {
  return `${of.process}\u0000${of.topic}\u0000${of.queue}`;
}
