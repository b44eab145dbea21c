import { SOMETIMES } from "@seriatim/testing";
import { code, count, NOT_RUN, prose, table } from "../markdown.ts";
import { FAULT_MEANINGS, SOMETIMES_MEANINGS } from "../meanings.ts";
import type { Results } from "../results.ts";
import { COMMANDS, type SimulationRuns, simulationsOf } from "../runs.ts";

const MS_PER_HOUR = 3_600_000;
const FAILED_MAX = 20;

export function simulation(results: Results): string[] {
  const both = simulationsOf(results);
  const [tests, long] = both;
  const figure = (name: string, of: (runs: SimulationRuns) => string): string[] => [
    name,
    ...both.map((runs) => (runs === null ? NOT_RUN : of(runs))),
  ];
  const counted = (of: "faults" | "sometimes", name: string): string[] =>
    both.map((runs) => (runs === null ? "" : count(runs[of][name] ?? 0)));
  const columns = [{ figures: "in the deep tests" }, { figures: "by hand" }] as const;
  const failed = [...new Set(both.flatMap((runs) => runs?.failed ?? []))];
  return [
    "## Simulation",
    prose(
      "The whole system runs in one process, on virtual time, a simulated network and a simulated disk.",
      "Each seed draws its topics, groups, load and faults. Faults come first; then everything is healed, and all backlogs must drain (P8).",
    ),
    table(
      ["", ...columns],
      [
        figure("seeds", ({ seeds }) => count(seeds)),
        figure("seeds from, to", ({ ranges }) => ranges.join("; ")),
        figure("messages", ({ messages }) => count(messages)),
        figure("messages per seed", ({ messages, seeds }) => count(messages / seeds)),
        figure("history lines judged", ({ historyLines }) => count(historyLines)),
        figure("virtual hours", ({ virtualMs }) => count(virtualMs / MS_PER_HOUR, 1)),
        figure("real minutes", ({ seconds }) => count(seconds / 60, 1)),
        figure("faults planned", ({ faults }) => count(Object.values(faults).reduce((sum, n) => sum + n, 0))),
        figure("rare situations never met", ({ sometimes }) => never(sometimes)),
        figure("seeds with a violation", ({ failed }) => count(failed.length)),
        figure("made on", ({ on }) => on.join("; ")),
      ],
    ),
    ...(failed.length === 0
      ? []
      : [
          `Violations${failed.length > FAILED_MAX ? `, the first ${FAILED_MAX}` : ""}:`,
          table(
            [{ figures: "seed" }, "promise", "what was seen"],
            failed.slice(0, FAILED_MAX).map(({ seed, promise, text }) => [`${seed}`, promise, firstLine(text)]),
          ),
        ]),
    prose(
      `A seed takes the same course again. ${code(COMMANDS.determinism)} runs 50 seeds in Node without threads, again on a thread, and once in Deno, and compares their trace hashes.`,
      "It fails when one differs.",
    ),
    "### Faults",
    table(
      ["fault", "what happens", ...columns],
      Object.entries(FAULT_MEANINGS).map(([kind, meaning]) => [code(kind), meaning, ...counted("faults", kind)]),
    ),
    "### Rare situations",
    prose(
      `${count(SOMETIMES.length)} counters tell whether the hard cases came up at all. A run of 1,000 seeds or more fails when one of them stays 0.`,
      ...(tests === null && long === null ? ["No run has counted them yet."] : []),
    ),
    table(
      ["counter", "what it counts", ...columns],
      SOMETIMES.map((name) => [code(name), SOMETIMES_MEANINGS[name], ...counted("sometimes", name)]),
    ),
  ];
}
const firstLine = (text: string): string => text.split("\n")[0] ?? "";
const never = (sometimes: Readonly<Record<string, number>>): string => {
  const missed = SOMETIMES.filter((name) => (sometimes[name] ?? 0) === 0);
  return missed.length === 0 ? "0" : `${missed.length}: ${missed.join(", ")}`;
};
