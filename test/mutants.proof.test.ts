// Deliberate bugs, one at a time: the simulation, or its own test, has to catch each of them.
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { inRepository, repository, run } from "./program.fixture.ts";

const program = inRepository("packages/proof/dist/mutants/main.js");
const MUTANTS_MIN = 45;
const SEEDS_MAX = 200;

describe("the mutants", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "seriatim-mutants-test-"));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it(`are caught, each within ${SEEDS_MAX} seeds`, async () => {
    const file = join(folder, "mutants.json");
    const { status, stdout, stderr } = await run(
      process.execPath,
      [program, "--seeds", `${SEEDS_MAX}`, "--at-once", "2", "--json", file],
      { cwd: repository, timeoutMs: 890_000 },
    );
    expect(stdout, stderr).not.toContain("ESCAPED");
    expect(status, `${stdout}\n${stderr}`).toBe(0);
    const { mutants } = JSON.parse(await readFile(file, "utf8"));
    expect(mutants.length).toBeGreaterThanOrEqual(MUTANTS_MIN);
    for (const { name, caught, caughtBy, seeds } of mutants) {
      expect(caught, name).toBe(true);
      expect(caughtBy, name).toMatch(/^(P\d+|test)$/);
      expect(seeds, name).toBeLessThanOrEqual(SEEDS_MAX);
    }
  });
});
