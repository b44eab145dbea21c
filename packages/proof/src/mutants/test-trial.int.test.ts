import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { MUTANTS } from "./list/index.ts";
import type { MutantTest } from "./mutant.ts";
import { runMutants } from "./run-mutants.ts";
import { runTests } from "./test-trial.ts";

const root = fileURLToPath(new URL("../../../..", import.meta.url)).replace(/[\\/]$/, "");
const mutant = MUTANTS.find(({ name }) => name === "plan-by-arrival");
const test = mutant?.test as MutantTest;
const { signal } = new AbortController();

describe("a mutant's own test", () => {
  it("passes without the bug and fails with it", async () => {
    expect(await runTests(root, [test], null, signal)).toEqual([{ failure: null }]);
    const [outcome] = await runTests(root, [test], mutant ?? null, signal);
    expect(outcome?.failure).toContain("to deeply equal");
  });
  it("has to be there", async () => {
    await expect(runTests(root, [{ ...test, title: "no such test" }], null, signal)).rejects.toThrow(
      '"no such test" did not run',
    );
  });
});
describe("a run of mutants", () => {
  it("has no results of what was not tried when the time is over", async () => {
    const told: unknown[] = [];
    const run = { root, mutants: MUTANTS, seeds: 1, messages: 10, controlSeeds: 1, atOnce: 1 };
    const results = await runMutants({
      ...run,
      signal: AbortSignal.abort(),
      onResult: (result) => told.push(result),
    });
    expect({ results, told }).toEqual({ results: [], told: [] });
  });
});
