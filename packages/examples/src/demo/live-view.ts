import Table from "cli-table3";
import { createLogUpdate } from "log-update";
import pc from "picocolors";
import type { Frame, View } from "./view.ts";

const EVERY_MS = 150;
const BAR = 40;
const FAULTS_SHOWN = 8;

/** A screen that is drawn anew: progress, a row per queue, and the faults as they strike. */
export class LiveView implements View {
  readonly #update: ReturnType<typeof createLogUpdate>;
  readonly #out: NodeJS.WriteStream;
  readonly #faults: string[] = [];
  #shownAt = Number.NEGATIVE_INFINITY;
  #frame: Frame | null = null;
  #closed = false;

  constructor(out: NodeJS.WriteStream) {
    this.#out = out;
    this.#update = createLogUpdate(out);
  }
  say(text: string, kind: "fault" | "plain" = "plain"): void {
    if (kind === "fault" && this.#frame !== null) {
      this.#faults.push(
        `${pc.dim(`${(this.#frame.elapsedMs / 1_000).toFixed(1).padStart(5)} s`)} ${pc.yellow("⚡")} ${text}`,
      );
      this.#draw();
    } else {
      this.#update.clear();
      this.#out.write(`${text}\n`);
      this.#draw();
    }
  }
  show(frame: Frame): void {
    this.#frame = frame;
    const now = performance.now();
    if (now - this.#shownAt < EVERY_MS) return;
    this.#shownAt = now;
    this.#draw();
  }
  close(): void {
    if (this.#closed) return;
    this.#draw();
    this.#closed = true;
    this.#update.done();
  }
  #draw(): void {
    if (this.#frame === null || this.#closed) return;
    this.#update(screen(this.#frame, this.#faults.slice(-FAULTS_SHOWN), (this.#out.rows ?? 24) - 1));
  }
}

/**
 * The whole screen as text.
 * Few rows leave out queues, busiest kept; what does not fit would not be cleaned up by the next drawing.
 */
export function screen(frame: Frame, faults: readonly string[], rowsMax: number): string {
  const share = frame.events === 0 ? 1 : Math.min(1, frame.dealtWith / frame.events);
  const full = Math.round(share * BAR);
  const bar = pc.green("█".repeat(full)) + pc.dim("░".repeat(BAR - full));
  const head = [
    `${pc.bold(frame.phase.padEnd(9))}${bar} ${String(Math.floor(share * 100)).padStart(3)} %  ${(frame.elapsedMs / 1_000).toFixed(1)} s`,
    [
      `sent ${n(frame.sent)} of ${n(frame.events)}`,
      `done ${n(frame.dealtWith)}`,
      pc.bold(`${n(frame.perSecond)} msgs/s`),
      `failed attempts ${n(frame.failed)}`,
      frame.brokerAnswers ? pc.green("broker up") : pc.red("broker away"),
    ].join(pc.dim(" · ")),
  ];
  const room = rowsMax - head.length - faults.length - 4;
  const queues =
    frame.queues.length <= room
      ? frame.queues
      : frame.queues.toSorted((a, b) => b.backlog - a.backlog).slice(0, Math.max(0, room - 1));
  const left = frame.queues.length - queues.length;
  return [
    ...head,
    queueTable({ ...frame, queues }),
    ...(left > 0 ? [pc.dim(`  … and ${left} more queues`)] : []),
    ...faults,
  ].join("\n");
}

function queueTable({ queues, brokerAnswers }: Pick<Frame, "queues" | "brokerAnswers">): string {
  const table = new Table({
    head: ["queue", "lease holder", "epoch", "backlog", "lag", "state"].map((name) => pc.dim(name)),
    colAligns: ["right", "left", "right", "right", "right", "left"],
    colWidths: [7, 20, 13, 10, 9, 14], // with its borders 80,
    style: { head: [], border: [], compact: true },
  });
  for (const { queue, state, halted, lease, backlog, lagMs } of queues) {
    const shown = brokerAnswers ? stateText(halted ? "halted" : state) : pc.dim("?");
    table.push([
      queue,
      lease?.holder ?? pc.dim("nobody"),
      lease?.epoch ?? "",
      n(backlog),
      backlog === 0 ? "" : `${(lagMs / 1_000).toFixed(1)} s`,
      shown,
    ]);
  }
  return table.toString();
}
const stateText = (state: string): string =>
  state === "leased"
    ? pc.green(state)
    : state === "halted" || state === "quarantined"
      ? pc.red(state)
      : pc.yellow(state);
const n = (value: number): string => value.toLocaleString("en");
