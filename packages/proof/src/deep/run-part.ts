import { readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { Program } from "@seriatim/rig";
import type { Order, Outcome, Part } from "./part.ts";

export type Verdict = "passed" | "passed, not all" | "FAILED" | "cut" | "not reached";
export interface PartResult {
  readonly name: string;
  readonly minutesGiven: number;
  readonly minutesUsed: number;
  readonly did: string;
  readonly verdict: Verdict;
  readonly again: readonly string[];
}
/** After this a part that was told to end is killed. */
const GRACE_MS = 5_000;
const SAID_KEPT = 4_000;

/**
 * Runs one part; `cutMs` from now it is ended, whatever it does. What it says is kept from the reader unless it fails.
 */
export async function runPart(root: string, part: Part, order: Order, cutMs: number): Promise<PartResult> {
  const from = performance.now();
  const { args, env } = part.command(order);
  const program = new Program(process.execPath, args, {
    cwd: root,
    env: { ...env, PATH: `${join(root, "node_modules/.bin")}${delimiter}${process.env["PATH"] ?? ""}` },
    ownGroup: true, // what it starts ends with it
  });
  let isCut = false;
  const cut = setTimeout(
    () => {
      isCut = true;
      program.signal("SIGTERM", "group");
      setTimeout(() => program.kill(), GRACE_MS).unref();
    },
    Math.max(0, cutMs),
  );
  const { status } = await program.ended;
  clearTimeout(cut);
  const outcome = read(part, order);
  const isDone = isCut || (status === 0 && outcome !== null);
  const cases = outcome?.again ?? [];
  const again = isDone || cases.length > 0 ? cases : [asTyped(part, order)];
  const verdict: Verdict =
    again.length > 0 ? "FAILED" : isCut ? "cut" : outcome?.isWhole === true ? "passed" : "passed, not all";
  if (verdict === "FAILED") console.log(program.said.slice(-SAID_KEPT));
  return {
    name: part.name,
    minutesGiven: order.minutes,
    minutesUsed: (performance.now() - from) / 60_000,
    did: outcome?.did ?? "",
    verdict,
    again,
  };
}
/** The whole part, for one that failed without saying at what. */
function asTyped(part: Part, order: Order): string {
  const { args, env } = part.command(order);
  const settings = Object.entries(env ?? {}).map(([name, value]) => `${name}=${value}`);
  return [...settings, "node", ...args].join(" ");
}
function read(part: Part, order: Order): Outcome | null {
  try {
    return part.outcome(JSON.parse(readFileSync(order.json, "utf8")), order);
  } catch {
    return null; // it did not come to write it
  }
}
