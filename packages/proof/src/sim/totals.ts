import { SOMETIMES, type Sometimes } from "@seriatim/testing";
import type { SeedOutcome } from "./seed-outcome.ts";

/** Sums over seeds, as `--json` writes them and docs/proof.md shows them. */
export class Totals {
  seeds = 0;
  messages = 0;
  historyLines = 0;
  virtualMs = 0;
  readonly faults: Record<string, number> = {};
  readonly sometimes = Object.fromEntries(SOMETIMES.map((name) => [name, 0])) as Record<Sometimes, number>;
  readonly failed: { readonly seed: number; readonly promise: string; readonly text: string }[] = [];

  add({ seed, messages, historyLines, virtualMs, faults, sometimes, problems }: SeedOutcome): void {
    this.seeds++;
    this.messages += messages;
    this.historyLines += historyLines;
    this.virtualMs += virtualMs;
    for (const [kind, count] of Object.entries(faults)) this.faults[kind] = (this.faults[kind] ?? 0) + count;
    for (const name of SOMETIMES) this.sometimes[name] += sometimes[name];
    const [first] = problems;
    if (first !== undefined) this.failed.push({ seed, promise: first.promise, text: first.text });
  }
  get never(): Sometimes[] {
    return SOMETIMES.filter((name) => this.sometimes[name] === 0);
  }
}
