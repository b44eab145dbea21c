import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { eventsOfLines, type LogEvent } from "@seriatim/rig";

/** A producer's events and which of them are acknowledged, in files: what a restarted producer goes by. */
export class Outbox {
  readonly events: readonly LogEvent[];
  readonly #acknowledged = new Set<number>();
  readonly #file: string;
  #news: number[] = [];

  constructor(files: { readonly eventsFile: string; readonly outboxFile: string }) {
    this.events = eventsOfLines(readFileSync(files.eventsFile, "utf8"));
    this.#file = files.outboxFile;
    // a torn last line would be another place: each ends in a mark
    if (existsSync(this.#file))
      for (const line of readFileSync(this.#file, "utf8").split("\n"))
        if (line.endsWith(";")) this.#acknowledged.add(Number(line.slice(0, -1)));
  }
  get acknowledged(): number {
    return this.#acknowledged.size;
  }
  isAcknowledged(place: number): boolean {
    return this.#acknowledged.has(place);
  }
  /** Written down with whatever else this turn brings. */
  acknowledge(place: number): void {
    this.#acknowledged.add(place);
    if (this.#news.push(place) === 1) setImmediate(() => this.#write());
  }
  #write(): void {
    appendFileSync(this.#file, this.#news.map((place) => `${place};\n`).join(""));
    this.#news = [];
  }
}
