// The simulation at full length: many seeds, and the same seeds in another runtime.
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { deno, inRepository, repository, run } from "./program.fixture.ts";

const program = inRepository("packages/proof/dist/sim/main.js");
const SEEDS = 1_000;
const MESSAGES_MIN = 500;
const HASHED = 50;

describe("the simulation", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "seriatim-simulation-"));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it(`keeps every promise over ${SEEDS} seeds and meets every rare situation`, async () => {
    const file = join(folder, "totals.json");
    const { status, stdout, stderr } = await run(process.execPath, [program, "--seeds", `${SEEDS}`, "--json", file], {
      cwd: repository,
      timeoutMs: 890_000,
    });
    expect(status, `${stdout}\n${stderr}`).toBe(0);
    const totals = JSON.parse(await readFile(file, "utf8"));
    expect(totals).toMatchObject({ seeds: SEEDS, failed: [], never: [] });
    expect(totals.messages).toBeGreaterThanOrEqual(SEEDS * MESSAGES_MIN);
  });
  it(`does the same again for the same seed, in Node and in Deno (${HASHED} seeds)`, async () => {
    const args = ["--seeds", `${HASHED}`, "--hashes"];
    const options = { cwd: repository, env: { DENO_NO_UPDATE_CHECK: "1" } };
    const flags = ["run", "-A", "--no-check", "--node-modules-dir=manual", "--no-remote"];
    const [first, second, elsewhere] = await Promise.all([
      run(process.execPath, [program, ...args, "--threads", "0"], options),
      run(process.execPath, [program, ...args, "--threads", "1"], options),
      run(deno, [...flags, program, ...args, "--threads", "0"], options),
    ]);
    expect(first.stdout.split("\n"), first.stderr).toHaveLength(HASHED + 1);
    expect(second.stdout).toBe(first.stdout);
    expect(elsewhere.stdout, elsewhere.stderr).toBe(first.stdout);
  });
});
