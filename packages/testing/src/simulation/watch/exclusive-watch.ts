import type { HistoryEvent } from "../../history/history-event.ts";

/**
 * P4 as only a simulation can see it, which has the clock of all processes before its eyes: once a later holder has its
 * grant, no earlier one starts a handler.
 * (A history compares no clocks; it finds the two leases in order, whoever believed in them how long.)
 */
export class ExclusiveWatch {
  readonly #newest = new Map<string, { readonly epoch: number; readonly process: string }>();
  /** Processes whose clocks both stood still or went back: no clock could tell them how long they were away. */
  readonly #timeless = new Set<string>();
  readonly #violate: (text: string) => void;

  constructor(violate: (text: string) => void) {
    this.#violate = violate;
  }
  hear(line: HistoryEvent): void {
    if (line.type === "fault") {
      const { byMs, target } = line as { readonly byMs?: number; readonly target?: string | null };
      if (byMs !== undefined && byMs < 0) this.#timeless.add(target ?? "");
      return;
    }
    if (line.type !== "granted" && line.type !== "handling") return;
    if (line.epoch === null || line.epoch === 0) return;
    const subscription = `${line.topic} ${line.queue} ${line.group}`;
    const newest = this.#newest.get(subscription);
    if (line.type === "granted") {
      if (newest === undefined || line.epoch > newest.epoch)
        this.#newest.set(subscription, { epoch: line.epoch, process: line.process });
      return;
    }
    if (newest === undefined || line.epoch >= newest.epoch || line.process === newest.process) return;
    if (this.#timeless.has(line.process)) return;
    this.#violate(
      `${line.process} starts a handler of offset ${line.offset} of ${subscription} under epoch ${line.epoch}, when ${newest.process} has been granted epoch ${newest.epoch}`,
    );
  }
}
