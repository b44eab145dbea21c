import { code, count, list, NOT_RUN, prose, table } from "../markdown.ts";
import type { Results } from "../results.ts";
import { COMMANDS, madeOn, type SimulationRuns, simulationsOf } from "../runs.ts";
import { tookTime } from "./chaos.ts";
import { medianSeeds } from "./mutants.ts";

export function claims(results: Results): string[] {
  const { mutants, chaos, fuzz, resources, soak } = results;
  const [tests, long] = simulationsOf(results);
  const caught = mutants?.mutants.filter((mutant) => mutant.caught).length ?? 0;
  const rows = [
    [
      "Under simulated faults every promise is kept (in the deep tests)",
      simulated(tests),
      COMMANDS.simulation,
      tests?.on,
    ],
    ["The same, over many more seeds (by hand)", simulated(long), COMMANDS.longSimulation, long?.on],
    [
      "A seed does the same again, in Node and in Deno",
      "50 seeds, twice in Node and once in Deno: equal trace hashes, else the test fails",
      COMMANDS.determinism,
      ["each run of the deep tests"],
    ],
    [
      "The simulation sees deliberate bugs",
      mutants && `${count(caught)} of ${count(mutants.mutants.length)} caught; median seeds: ${medianSeeds(mutants)}`,
      COMMANDS.mutants,
      mutants && [madeOn(mutants)],
    ],
    [
      "Real processes that are killed, frozen and cut off lose nothing",
      chaos &&
        `${count(chaos.rounds)} rounds, ${tookTime(chaos)}, ${count(chaos.acknowledged)} messages: ${chaos.verdict}`,
      COMMANDS.chaos,
      chaos && [madeOn(chaos)],
    ],
    [
      "A damaged data file is whole or refused",
      "a test without figures",
      COMMANDS.store,
      ["each run of the deep tests"],
    ],
    ["Hostile clients harm nobody else", "a test without figures", COMMANDS.hostile, ["each run of the deep tests"]],
    [
      "Nothing that is decoded harms the broker",
      fuzz &&
        `${count(fuzz.targets.reduce((sum, { inputs }) => sum + inputs, 0))} inputs, ${count(fuzz.targets.filter(({ finding }) => finding !== null).length)} findings`,
      COMMANDS.fuzz,
      fuzz && [madeOn(fuzz)],
    ],
    [
      "Idle queues and connections are small",
      resources && `${count(resources.resources.filter(({ kept }) => !kept).length)} goals missed`,
      COMMANDS.resources,
      resources && [madeOn(resources)],
    ],
    [
      "Memory stays flat under load",
      soak && `${count(soak.minutes, 1)} minutes: ${soak.passed ? "flat" : "not passed"}`,
      COMMANDS.soak,
      soak && [madeOn(soak)],
    ],
  ] as const;
  return [
    "## What is claimed, and how to run it again",
    prose(
      "The claims are the [promises](architecture.md#promises) P1 to P11.",
      "The history checker that judges simulations and process chaos shares no code with the system.",
    ),
    table(
      ["claim", "result", "made on"],
      rows.map(([claim, result, , on]) => [claim, result ?? NOT_RUN, on?.join("; ") ?? ""]),
    ),
    "Each can be run again, from the root of the repository, in the same order:",
    ["```sh", ...rows.map(([, , command]) => command), "```"].join("\n"),
    list([
      `${code("npm run proof")} then writes this page anew, and ${code("npm run proof -- --check")} ends with status 1 when it is not what the results say.`,
      `${code("npm test")} runs 40 seeds of the simulation that are drawn from the commit's hash, 3 of them twice for their trace hashes, all regression plans, and a second of fuzzing per target.`,
      `The deep tests, ${code("npm run test:deep -- --minutes 60")}, run all of the above but what is said to be by hand: 1,000 seeds that are drawn in the same way, every mutant, the hashes in Deno, process chaos, the store and hostile tests, fuzzing, and the soak. Each part gets its share of the minutes.`,
    ]),
  ];
}
const simulated = (runs: SimulationRuns | null): string | null =>
  runs === null
    ? null
    : `${count(runs.seeds)} seeds, ${count(runs.messages)} messages: ${count(runs.failed.length)} seeds with a violation`;
