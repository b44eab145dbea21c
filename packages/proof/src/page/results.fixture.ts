import { SOMETIMES } from "@seriatim/testing";
import { chaosReport } from "../chaos/report.ts";
import { countStruck, emptyTally } from "../chaos/tally.ts";
import type { MutantResult } from "../mutants/run-mutants.ts";
import type { Provenance } from "../provenance.ts";
import { Totals } from "../sim/totals.ts";
import type { SoakReport } from "../soak/soak.ts";

const MADE_ON: Provenance = { node: "v20.1.2", cores: 2, date: "2026-01-02T03:04:05.678Z", commit: "abc1234" };

/** What `npm run sim --json` writes, of made-up seeds with 600 messages each. */
export function simulationFile(from: number, seeds: number, failedSeed?: number): object {
  const totals = new Totals();
  for (let seed = from; seed < from + seeds; seed++)
    totals.add({
      seed,
      traceHash: "",
      historyLines: 4_000,
      messages: 600,
      virtualMs: 36_000,
      faults: { kill: 2, cut: 1 },
      sometimes: { ...totals.sometimes, ...Object.fromEntries(SOMETIMES.map((name) => [name, 3])) },
      problems: seed === failedSeed ? [{ promise: "P4", text: "two owners | at once\nmore", atMs: 1 }] : [],
      shrunk: null,
    });
  return { ...MADE_ON, from, ...totals, never: totals.never, seconds: 90, threads: 2 };
}
const mutant = (name: string, seeds: number, caughtBy: string | null): MutantResult => ({
  name,
  breaks: `breaks ${name}`,
  promises: ["P3"],
  file: "a.ts",
  caught: caughtBy !== null,
  seeds,
  caughtBy,
  evidence: null,
  seconds: 1.5,
});
export const mutantsFile = {
  ...MADE_ON,
  seedsMax: 200,
  mutants: [
    mutant("credit-leak", 1, "P8"),
    mutant("plan-by-arrival", 0, "test"),
    mutant("ack-before-commit", 4, "P3"),
    mutant("lost-cause", 200, null),
  ],
};
export function chaosFile(): object {
  const tally = {
    ...emptyTally(),
    rounds: 12,
    acknowledged: 123_456,
    checks: { P1: 7_000, P4: 0 },
    violations: { P3: 1 },
  };
  for (let n = 0; n < 1_234; n++)
    countStruck(tally, { kind: "kill-broker", targets: ["broker#1"], atMs: 0, healedAtMs: 0, detail: null });
  tally.recoveriesMs["kill-broker"].push(800, 1_500, 2_900);
  const means = { diskFullBy: "a tmpfs", ioErrorsBy: "strace" };
  return {
    ...MADE_ON,
    ...chaosReport(tally, { seed: 1, minutes: 60, rate: 1_000, verdict: "violated", ...means }),
    seconds: 930,
  };
}
export const fuzzFile = {
  node: "v20.1.2",
  targets: [
    {
      target: "binary",
      seed: 7,
      seconds: 600,
      inputs: 4_000_000,
      taken: 1,
      refused: 3_999_999,
      slowestMs: 12,
      finding: null,
      kinds: 9,
    },
    {
      target: "json",
      seed: 7,
      seconds: 600,
      inputs: 5,
      taken: 2,
      refused: 3,
      slowestMs: 1,
      finding: { error: "hung\nat", input: "" },
      kinds: 1,
    },
  ],
};
export const resourcesFile = {
  ...MADE_ON,
  resources: [
    {
      name: "idle queue, memory store",
      samples: [
        { size: 10, heapBytes: 1, rssBytes: 2, openMs: 1, describeMs: 2 },
        { size: 10_000, heapBytes: 1, rssBytes: 2, openMs: 1_001, describeMs: 202 },
      ],
      goalBytes: 5_000,
      goalMs: 2_000,
      heapBytesEach: 5_432,
      rssBytesEach: 6_543,
      kept: false,
    },
  ],
};
export const soakFile: SoakReport & Provenance = {
  ...MADE_ON,
  minutes: 20,
  peakPerSecond: 60_000,
  loadPerSecond: 30_000,
  handledPerSecond: 29_000,
  messages: 34_567_890,
  wrong: [],
  verdicts: [{ name: "broker heap", perHour: 120_000, first: 12_300_000, last: 12_400_000, flat: true }],
  series: [],
  passed: true,
};
