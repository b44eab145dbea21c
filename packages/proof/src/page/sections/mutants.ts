import { MUTANTS } from "../../mutants/list/index.ts";
import { code, count, NOT_RUN, prose, table } from "../markdown.ts";
import type { Mutants, Results } from "../results.ts";
import { madeOn } from "../runs.ts";

export function mutants({ mutants: results }: Results): string[] {
  const intro = prose(
    "A mutant is the product with one deliberate bug, which breaks a rule of [protocol.md](protocol.md).",
    "The simulation has to catch it within 200 seeds, from seed 1 on, or the test that the mutant names.",
    "The unchanged product passes each seed and each test that caught one.",
  );
  if (results === null) return ["## Mutants", intro, `${count(MUTANTS.length)} mutants: ${NOT_RUN}.`];
  const { mutants: all } = results;
  const caught = all.filter((mutant) => mutant.caught);
  const left = MUTANTS.filter(({ name }) => !all.some((mutant) => mutant.name === name)).map(({ name }) => code(name));
  return [
    "## Mutants",
    intro,
    prose(
      `${count(caught.length)} of ${count(all.length)} caught.`,
      `Seeds needed: median ${medianSeeds(results)}, ${count(Math.max(...caught.map(({ seeds }) => seeds), 0))} at most.`,
      ...(results.seedsMax === undefined ? [] : [`Seeds tried: ${count(results.seedsMax)} at most.`]),
      ...(left.length === 0 ? [] : [`Not in this run: ${left.join(", ")}.`]),
      `${madeOn(results)}.`,
    ),
    table(
      ["mutant", "what is wrong", { figures: "seeds needed" }, "caught by"],
      all.map(({ name, breaks, seeds, caughtBy }) => [
        code(name),
        breaks,
        seeds === 0 ? "-" : caughtBy === null ? `none of ${count(seeds)}` : count(seeds),
        caughtBy ?? "**escaped**",
      ]),
    ),
  ];
}
/** Of those that a seed has caught. */
export function medianSeeds({ mutants: all }: Mutants): string {
  const sorted = all.flatMap(({ caught, seeds }) => (caught && seeds > 0 ? [seeds] : [])).sort((a, b) => a - b);
  const middle = sorted.slice(Math.floor((sorted.length - 1) / 2), Math.floor(sorted.length / 2) + 1);
  return middle.length === 0 ? "none" : count(middle.reduce((sum, n) => sum + n, 0) / middle.length, 1);
}
