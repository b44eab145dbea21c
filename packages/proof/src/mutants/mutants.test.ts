import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { readRules } from "../rules/rule-book.ts";
import { MUTANTS } from "./list/index.ts";
import { mutate } from "./mutant.ts";

const sourceOf = (file: string): string =>
  readFileSync(new URL(`../../../actors/src/${file}`, import.meta.url), "utf8");

const MUTANTS_MIN = 45;

describe("mutants", () => {
  it.each(MUTANTS)("$name changes the source as it is now", (mutant) => {
    const source = sourceOf(mutant.file);
    expect(mutate(mutant, source)).not.toBe(source);
  });
  it("has a name of its own for each, and what it puts at risk", () => {
    expect(MUTANTS.length).toBeGreaterThanOrEqual(MUTANTS_MIN);
    expect(new Set(MUTANTS.map(({ name }) => name)).size).toBe(MUTANTS.length);
    for (const { name, promises } of MUTANTS) expect(promises, name).not.toHaveLength(0);
  });
  it("are each named by a rule of docs/protocol.md, which they break", () => {
    const page = readFileSync(new URL("../../../../docs/protocol.md", import.meta.url), "utf8");
    const named = new Set(readRules(page).flatMap(({ mutants }) => mutants));
    expect(MUTANTS.map(({ name }) => name).filter((name) => !named.has(name))).toEqual([]);
  });
  it("says which one no longer fits its source", () => {
    const mutant = { name: "x", breaks: "", promises: [], file: "a.ts", find: "two", replace: "three" };
    expect(() => mutate(mutant, "one")).toThrow(/mutant "x".*exactly once.*a\.ts, found it 0 times/);
    expect(() => mutate(mutant, "two two")).toThrow(/found it 2 times/);
    expect(mutate({ ...mutant, replace: "$&" }, "one two")).toBe("one $&");
  });
});
