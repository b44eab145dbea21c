import type { FaultEvent, HistoryEvent, HistorySettings, StartEvent } from "../history-event.ts";

export interface ProcessRecord {
  /** With its incarnation. */
  readonly name: string;
  start: StartEvent | undefined;
  /** It wrote its last line itself: nothing it did is missing. */
  ended: boolean;
  killed: FaultEvent | undefined;
}

/** Who wrote the history, how each of them was set up, and what was done to them. */
export class Processes {
  readonly faults: FaultEvent[] = [];
  readonly #records = new Map<string, ProcessRecord>();

  add(event: HistoryEvent): void {
    const record = this.#record(event.process);
    if (event.type === "start") record.start ??= event;
    else if (event.type === "end") record.ended = true;
    else if (event.type === "fault") {
      this.faults.push(event);
      if (/kill|crash|power/i.test(event.fault) && typeof event.target === "string")
        this.#record(event.target).killed = event;
    }
  }

  all(): Iterable<ProcessRecord> {
    return this.#records.values();
  }

  /** Whether lines of this process may be missing after its last one: it was killed, or at least wrote no `end`. */
  isCutShort(process: string): boolean {
    const record = this.#records.get(process);
    return record === undefined || !record.ended || record.killed !== undefined;
  }

  /** A power loss, unlike the death of a process, may take what was flushed and not synced. */
  hadPowerLoss(): boolean {
    return this.faults.some((fault) => /power/i.test(fault.fault));
  }

  /** Settings of one process, of its part for this topic and group when it tells them apart. */
  settings(process: string, topic: string, group?: string): HistorySettings {
    const start = this.#records.get(process)?.start;
    if (start === undefined) return NO_SETTINGS;
    if (start.settings === undefined) return start as HistorySettings;
    const parts = isList(start.settings) ? start.settings : [start.settings];
    const part = parts.find(
      (each) =>
        (each.topic === undefined || each.topic === topic) &&
        (each.group === undefined || group === undefined || each.group === group),
    );
    return part ?? NO_SETTINGS;
  }

  #record(name: string): ProcessRecord {
    let record = this.#records.get(name);
    if (record === undefined) {
      record = { name, start: undefined, ended: false, killed: undefined };
      this.#records.set(name, record);
    }
    return record;
  }
}

const NO_SETTINGS: HistorySettings = {};

function isList(settings: HistorySettings | readonly HistorySettings[]): settings is readonly HistorySettings[] {
  return Array.isArray(settings);
}

/** `consumer-2` of `consumer-2#1`. */
export function withoutIncarnation(process: string): string {
  const mark = process.lastIndexOf("#");
  return mark < 0 ? process : process.slice(0, mark);
}
