// docs/protocol.md, walked: what it names is there, and every rule that is built has what keeps and shows it.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { MUTANTS } from "../packages/proof/src/mutants/list/index.ts";
import { readRules } from "../packages/proof/src/rules/rule-book.ts";
import { inRepository } from "./program.fixture.ts";

const read = (file: string): string => readFileSync(inRepository(file), "utf8");
const rules = readRules(read("docs/protocol.md"));
const built = rules.filter((rule) => rule.built !== "none");
const named = (list: typeof rules) => list.map((rule) => [`rule ${rule.name}`, rule] as const);

describe("docs/protocol.md", () => {
  it("has the rules 1 to 45, in order", () => {
    const numbers = rules.map(({ name }) => Number(name)).filter((number) => !Number.isNaN(number));
    expect(numbers).toEqual(Array.from({ length: 45 }, (_, index) => index + 1));
  });
  it.each(named(rules))("%s protects promises that there are", (_, { promises }) => {
    expect(promises).not.toHaveLength(0);
    for (const promise of promises) expect(promise).toMatch(/^P([1-9]|10|11)$/);
  });
  it.each(named(built))("%s names the files that keep it", (_, { files }) => {
    expect(files).not.toHaveLength(0);
    expect(files.filter((file) => !existsSync(inRepository(file)))).toEqual([]);
  });
  it.each(named(built))("%s is named at the code that keeps it", (_, { name, files, promises }) => {
    const isNamed = /^\d+$/.test(name)
      ? new RegExp(`\\brules? (\\d+, )*${name}\\b`, "i")
      : new RegExp(`\\b${promises[0]}\\b`);
    expect(files.filter((file) => isNamed.test(read(file)))).not.toHaveLength(0);
  });
  it("has a rule for each that the code names", () => {
    const known = new Set(rules.filter(({ built: state }) => state !== "none").map(({ name }) => name));
    const strange = sources().flatMap((file) =>
      [...read(file).matchAll(/\brules? ((?:\d+, )*\d+)\b/gi)]
        .flatMap(([, numbers = ""]) => numbers.split(", "))
        .filter((number) => !known.has(number))
        .map((number) => `${file}: rule ${number}`),
    );
    expect(strange).toEqual([]);
  });
  it.each(named(built))("%s names tests that are in their files", (_, { tests }) => {
    expect(tests).not.toHaveLength(0);
    const missing = tests.filter(({ file, title }) => !hasTitle(read(file), title));
    expect(missing).toEqual([]);
  });
  it("names mutants that there are, and every one of them", () => {
    const shown = new Set(rules.flatMap(({ mutants }) => mutants));
    expect([...shown].sort()).toEqual(MUTANTS.map(({ name }) => name).sort());
  });
  it.each(named(built))(
    "%s has a mutant that shows it to be guarded, by a test of the rule if by its own",
    (_, { mutants, tests }) => {
      expect(mutants).not.toHaveLength(0);
      for (const { name, test } of MUTANTS) {
        if (test !== undefined && mutants.includes(name)) expect(tests, name).toContainEqual(test);
      }
    },
  );
  it("is where the README sends whoever asks how a promise is kept", () => {
    const rows = [...read("README.md").matchAll(/^\| (P\d+) .*\|(.*)\|$/gm)];
    expect(rows.map(([, promise]) => promise)).toEqual(["P1", "P2", "P3", "P4", "P5", "P6", "P7", "P8", "P9"]);
    for (const [, promise = "", cell = ""] of rows) {
      const names = [...cell.matchAll(/\[(\w+)\]\(docs\/protocol\.md#/g)].map(([, name = ""]) => name);
      const protecting = built.filter(({ promises }) => promises.includes(promise));
      const missing = names.filter((name) => !protecting.some((rule) => rule.name.toLowerCase() === name));
      expect([names.length > 0, ...missing], promise).toEqual([true]);
    }
  });
  it("says of nothing that is not built that it is kept or shown", () => {
    for (const { name, built: state, files, tests, mutants } of rules)
      if (state === "none") expect([...files, ...tests, ...mutants], `rule ${name}`).toEqual([]);
  });
});

/** What is published, without tests. */
const sources = (): string[] =>
  ["actors", "store-lmdb", "testing", "transport-memory", "transport-ws"].flatMap((name) =>
    readdirSync(inRepository(`packages/${name}/src`), { recursive: true, encoding: "utf8" })
      .filter((file) => file.endsWith(".ts") && !file.endsWith(".test.ts"))
      .map((file) => `packages/${name}/src/${file}`),
  );
/** As the text of a test stands in its source. */
function hasTitle(source: string, title: string): boolean {
  return [JSON.stringify(title), `\`${title}\``].some((literal) =>
    new RegExp(`(?:it|describe|promise)(?:\\.\\w+)?\\([^"\`]*${escaped(literal)}`).test(source),
  );
}
const escaped = (text: string): string => text.replaceAll(/[\\^$.*+?()[\]{}|]/g, "\\$&");
