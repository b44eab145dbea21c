import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Trials } from "./trial.ts";
import type { TrialOrder } from "./trial-report.ts";

const program = fileURLToPath(new URL("../../dist/mutants/trial-process.js", import.meta.url));

describe("a trial", () => {
  let folder = "";
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "seriatim-trial-"));
  });
  let trials: Trials | null = null;
  afterEach(async () => {
    trials?.close();
    await rm(folder, { recursive: true });
  });
  /** Of a bundle in which a seed's run does as `body` says. */
  const start = async (body: string, hangMs = 60_000): Promise<Trials> => {
    const file = join(folder, "simulation.mjs");
    await writeFile(
      file,
      `let mutant = null;
export const putIn = (name) => { mutant = name; };
export const makePlan = (seed) => ({ seed, load: { messages: 0 } });
export const runPlan = async ({ seed, load }) => { ${body} };
`,
    );
    trials = new Trials(file, { program, hangMs });
    return trials;
  };
  const order = (seeds: number, mutant: string | null = null): TrialOrder => ({ mutant, from: 1, seeds, messages: 7 });

  it("ends at the first seed with a problem", async () => {
    const body =
      'return { problems: seed < 3 ? [] : [{ promise: "P6", text: "skipped" }, { promise: "P9", text: "" }] };';
    expect(await (await start(body)).run(order(200))).toEqual({
      seeds: 3,
      caughtBy: { promise: "P6", text: "skipped" },
    });
  });
  it("runs them all when there is none", async () => {
    expect(await (await start("return { problems: [] };")).run(order(5))).toEqual({ seeds: 5, caughtBy: null });
  });
  it("runs one version after the other, with as many messages as it is told", async () => {
    const of = await start(
      // biome-ignore lint/suspicious/noTemplateCurlyInString: of the bundle
      'return { problems: mutant === null ? [] : [{ promise: "P1", text: `${mutant} ${load.messages}` }] };',
    );
    for (const name of ["one", "two"])
      expect(await of.run(order(5, name))).toEqual({ seeds: 1, caughtBy: { promise: "P1", text: `${name} 7` } });
    expect(await of.run(order(2))).toEqual({ seeds: 2, caughtBy: null });
  });
  it("takes a rejection that nobody handles for a crash", async () => {
    const of = await start('if (seed === 2) void Promise.reject(new Error("unseen")); return { problems: [] };');
    const { seeds, caughtBy } = await of.run(order(5));
    expect(seeds).toBe(2);
    expect(caughtBy?.promise).toBe("P11");
    expect(caughtBy?.text).toContain("unseen");
  });
  it("takes a process that ends by itself for a crash, and goes on in a new one", async () => {
    const of = await start("if (mutant !== null && seed === 2) process.exit(7); return { problems: [] };");
    const { seeds, caughtBy } = await of.run(order(5, "fatal"));
    expect({ seeds, promise: caughtBy?.promise }).toEqual({ seeds: 2, promise: "P11" });
    expect(await of.run(order(2))).toEqual({ seeds: 2, caughtBy: null });
  });
  it("takes a seed that does not end for a violation of progress, and goes on in a new process", async () => {
    const of = await start("if (mutant !== null) for (;;); return { problems: [] };", 2_000);
    const { seeds, caughtBy } = await of.run(order(5, "endless"));
    expect({ seeds, promise: caughtBy?.promise }).toEqual({ seeds: 1, promise: "P8" });
    expect(await of.run(order(2))).toEqual({ seeds: 2, caughtBy: null });
  });
});
