// The tests of the repository with one mutant's bug in the product: `npm run mutants` runs single tests with it.
import { fileURLToPath } from "node:url";
import { mergeConfig } from "vitest/config";
import base from "../../vitest.config.ts";
import { MUTANTS } from "./src/mutants/list/index.ts";
import { mutate } from "./src/mutants/mutant.ts";
import { MUTANT_VARIABLE } from "./src/mutants/test-trial.ts";

const mutant = MUTANTS.find(({ name }) => name === process.env[MUTANT_VARIABLE]);

export default mergeConfig(base, {
  root: fileURLToPath(new URL("../..", import.meta.url)),
  plugins: [
    {
      name: "mutant",
      enforce: "pre" as const,
      transform: (source: string, id: string) =>
        mutant !== undefined && id.endsWith(`/packages/actors/src/${mutant.file}`)
          ? { code: mutate(mutant, source), map: null }
          : null,
    },
  ],
});
