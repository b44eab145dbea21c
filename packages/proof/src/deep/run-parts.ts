import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { allot } from "./allot.ts";
import type { Part } from "./part.ts";
import { type PartResult, runPart } from "./run-part.ts";

/** What a part that stops by itself may go on for after its time. */
const LATE_MINUTES = 0.25;

export interface RunOptions {
  readonly minutes: number;
  readonly hash: string;
  /** Hears which part begins. */
  readonly say: (text: string) => void;
  readonly lateMinutes?: number;
}

/**
 * Runs the parts one after another, within so many minutes: those of fixed length first,
 * then the others, the first of the table last, so that what is left over is its. Before
 * each the time that is left is divided anew. Results come in the order of the table.
 */
export async function runParts(
  root: string,
  parts: readonly Part[],
  { minutes, hash, say, lateMinutes = LATE_MINUTES }: RunOptions,
): Promise<readonly PartResult[]> {
  const folder = mkdtempSync(join(tmpdir(), "seriatim-deep-"));
  const until = performance.now() + minutes * 60_000;
  const results = new Map<string, PartResult>();
  const waiting = [...parts.filter(({ isFixed }) => isFixed), ...parts.filter(({ isFixed }) => !isFixed).reverse()];
  try {
    for (;;) {
      const leftMs = until - performance.now();
      const left = parts.filter((part) => waiting.includes(part));
      const given = allot(left, Math.max(0, leftMs / 60_000 - lateMinutes));
      const part = waiting.find(({ name }) => given.has(name));
      if (part === undefined) break;
      waiting.splice(waiting.indexOf(part), 1);
      const order = { minutes: given.get(part.name) ?? 0, hash, json: join(folder, `${part.name}.json`) };
      say(`${part.name}: ${part.about} (${order.minutes.toFixed(1)} minutes)`);
      results.set(part.name, await runPart(root, part, order, leftMs));
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return parts.map(({ name }) => results.get(name) ?? notReached(name));
}
const notReached = (name: string): PartResult => ({
  name,
  minutesGiven: 0,
  minutesUsed: 0,
  did: "",
  verdict: "not reached",
  again: [],
});
