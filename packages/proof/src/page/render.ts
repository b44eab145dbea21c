import type { Results } from "./results.ts";
import { bugs } from "./sections/bugs.ts";
import { chaos } from "./sections/chaos.ts";
import { claims } from "./sections/claims.ts";
import { hostile } from "./sections/hostile.ts";
import { limits } from "./sections/limits.ts";
import { mutants } from "./sections/mutants.ts";
import { resources } from "./sections/resources.ts";
import { simulation } from "./sections/simulation.ts";
import { store } from "./sections/store.ts";

const HEAD = [
  "<!-- Written by `npm run proof`. Change the results, or packages/proof/src/page, and run it again. -->",
  "# Proof",
  "What Seriatim was put through, what came of it, and how to do it again. Figures of runs are rendered from the files that the commands below wrote. What is said of tests and of bugs is written by hand, and tests look whether what it names is there.",
];
const SECTIONS = [claims, simulation, mutants, chaos, store, hostile, resources, bugs, limits];

/** docs/proof.md, from what was run. */
export const renderPage = (results: Results): string =>
  `${[...HEAD, ...SECTIONS.flatMap((section) => section(results))].join("\n\n")}\n`;
