import { count } from "./markdown.ts";
import type { From, Results, Simulation } from "./results.ts";

/** The commands whose files the page shows; each writes into the folder of results. */
const written = (command: string, file: string): string => `${command} --json packages/proof/results/${file}`;
export const COMMANDS = {
  simulation: written("npm run sim -- --seeds 1000", "simulation.json"),
  longSimulation: written("npm run sim -- --seeds 6000 --from 43000001", "simulation-long.json"),
  determinism: "npx vitest run --project proof test/simulation.proof.test.ts -t Deno",
  mutants: written("npm run mutants --", "mutants.json"),
  chaos: written("npm run chaos -- --minutes 60 --seed 2 --rate 500", "chaos.json"),
  store: "npx vitest run --project proof test/store-crash.proof.test.ts packages/store-lmdb",
  hostile: "npx vitest run --project proof packages/transport-ws/src/hostile.proof.test.ts",
  fuzz: written("npm run fuzz -- --minutes 10", "fuzz.json"),
  resources: written("npm run resources --", "resources.json"),
  soak: written("npm run soak -- --minutes 20", "soak.json"),
} as const;

/** Versions, machine, time and sources of a run, as far as its file has them. */
export function madeOn({ node, cores, date, commit }: From): string {
  const parts = [
    node === undefined ? "Node version not recorded" : `Node ${node.replace(/^v/, "")}`,
    cores === undefined ? "cores not recorded" : `${count(cores)} cores`,
    ...(date === undefined ? [] : [date.slice(0, 10)]),
    ...(commit === undefined || commit === null ? [] : [`commit ${commit}`]),
  ];
  return parts.join(", ");
}

const summed = (all: readonly Readonly<Record<string, number>>[]): Record<string, number> => {
  const sums: Record<string, number> = {};
  for (const counts of all) for (const [name, value] of Object.entries(counts)) sums[name] = (sums[name] ?? 0) + value;
  return sums;
};
/** A simulation over one range of seeds or several. */
export interface SimulationRuns extends Omit<Simulation, "from" | "threads" | keyof From> {
  readonly ranges: readonly string[];
  readonly on: readonly string[];
}
/** The sums of several runs; `null` of none. */
export function sumOf(runs: readonly (Simulation | null)[]): SimulationRuns | null {
  const all = runs.filter((run) => run !== null);
  if (all.length === 0) return null;
  const sum = (of: "seeds" | "messages" | "historyLines" | "virtualMs" | "seconds") =>
    all.reduce((total, run) => total + run[of], 0);
  return {
    ranges: all.map(({ from, drawnFrom, seeds }) =>
      from === null ? `drawn from ${drawnFrom?.slice(0, 12)}` : `${count(from)} to ${count(from + seeds - 1)}`,
    ),
    on: [...new Set(all.map(madeOn))],
    seeds: sum("seeds"),
    messages: sum("messages"),
    historyLines: sum("historyLines"),
    virtualMs: sum("virtualMs"),
    seconds: sum("seconds"),
    faults: summed(all.map(({ faults }) => faults)),
    sometimes: summed(all.map(({ sometimes }) => sometimes)),
    failed: all.flatMap(({ failed }) => failed),
  };
}
/** The two that the page shows beside each other. */
export const simulationsOf = ({ simulation, longSimulations }: Results) =>
  [sumOf([simulation]), sumOf(longSimulations)] as const;
