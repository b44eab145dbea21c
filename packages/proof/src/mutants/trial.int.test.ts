import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { runTrial } from "./trial.ts";

const program = fileURLToPath(new URL("../../dist/mutants/trial-process.js", import.meta.url));

describe("a trial", () => {
  let folder = "";
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "seriatim-trial-"));
  });
  afterEach(() => rm(folder, { recursive: true }));
  /** A bundle in which a seed runs as `body` says. */
  const bundle = async (body: string): Promise<string> => {
    const file = join(folder, "simulation.mjs");
    await writeFile(
      file,
      `export const makePlan = (seed) => seed;\nexport const runPlan = async (seed) => { ${body} };\n`,
    );
    return file;
  };

  it("ends at the first seed with a problem", async () => {
    const file = await bundle(
      'return { problems: seed < 3 ? [] : [{ promise: "P6", text: "skipped" }, { promise: "P9", text: "" }] };',
    );
    expect(await runTrial(file, 200, { program })).toEqual({ seeds: 3, caughtBy: { promise: "P6", text: "skipped" } });
  });
  it("runs them all when there is none", async () => {
    expect(await runTrial(await bundle("return { problems: [] };"), 5, { program })).toEqual({
      seeds: 5,
      caughtBy: null,
    });
  });
  it("takes a rejection that nobody handles for a crash", async () => {
    const file = await bundle(
      'if (seed === 2) { void Promise.reject(new Error("unseen")); await new Promise(setImmediate); } return { problems: [] };',
    );
    const { seeds, caughtBy } = await runTrial(file, 5, { program });
    expect(seeds).toBe(2);
    expect(caughtBy?.promise).toBe("P11");
    expect(caughtBy?.text).toContain("unseen");
  });
  it("takes a process that ends by itself for a crash", async () => {
    const { seeds, caughtBy } = await runTrial(await bundle("process.exit(seed === 2 ? 7 : 0);"), 5, { program });
    expect({ seeds, promise: caughtBy?.promise }).toEqual({ seeds: 1, promise: "P11" });
  });
  it("takes a seed that does not end for a violation of progress", async () => {
    const { seeds, caughtBy } = await runTrial(await bundle("for (;;);"), 5, { program, hangMs: 2_000 });
    expect({ seeds, promise: caughtBy?.promise }).toEqual({ seeds: 1, promise: "P8" });
  });
});
