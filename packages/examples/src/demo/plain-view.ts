import type { Frame, View } from "./view.ts";

const EVERY_MS = 1_000;

/** Lines for logs and pipes: one a second at most, beside the faults. */
export class PlainView implements View {
  readonly #write: (line: string) => void;
  #shownAt = Number.NEGATIVE_INFINITY;
  #shown = "";

  constructor(write: (line: string) => void) {
    this.#write = write;
  }
  say(text: string, kind: "fault" | "plain" = "plain"): void {
    this.#write(kind === "fault" ? `  ! ${text}` : text);
  }
  show(frame: Frame): void {
    const now = performance.now();
    if (now - this.#shownAt < EVERY_MS) return;
    const line = frameLine(frame);
    if (line === this.#shown) return;
    this.#shownAt = now;
    this.#shown = line;
    this.#write(`${(frame.elapsedMs / 1_000).toFixed(0).padStart(4)} s  ${line}`);
  }
  close(): void {}
}

function frameLine({ phase, events, sent, dealtWith, perSecond, failed, brokerAnswers, queues }: Frame): string {
  const holders = new Set(queues.flatMap(({ lease }) => (lease === null ? [] : [lease.holder])));
  const leased = queues.filter(({ state }) => state === "leased").length;
  return [
    phase.padEnd(8),
    `sent ${sent}/${events}`,
    `done ${dealtWith} (${Math.floor((dealtWith * 100) / events)} %)`,
    `${perSecond}/s`,
    `failed ${failed}`,
    brokerAnswers ? `${leased}/${queues.length} queues leased by ${holders.size}` : "broker away",
  ].join("  ");
}
