// The simulation as `npm test` has it: seeds that are drawn from the commit's hash, so that another commit tries others. Runs from dist.
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { inRepository, repository, run } from "./program.fixture.ts";

const SEEDS = 40;
const HASHED = 3;
const MESSAGES_MIN = 100;
const sim = (...args: readonly string[]) =>
  run(process.execPath, [inRepository("packages/proof/dist/sim/main.js"), "--drawn", ...args], {
    cwd: repository,
  });

describe("the simulation", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "seriatim-simulation-"));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it(`keeps every promise over ${SEEDS} seeds drawn from the commit's hash`, async () => {
    const file = join(folder, "totals.json");
    const { status, stdout, stderr } = await sim("--seeds", `${SEEDS}`, "--json", file);
    expect(status, `${stdout}\n${stderr}`).toBe(0);
    const totals = JSON.parse(await readFile(file, "utf8"));
    expect(totals).toMatchObject({ seeds: SEEDS, failed: [], drawnFrom: expect.stringMatching(/^[0-9a-f]{12}$/) });
    expect(totals.messages).toBeGreaterThan(SEEDS * MESSAGES_MIN);
  });
  it(`does the same again for the same seed, on another thread (${HASHED} seeds)`, async () => {
    const args = ["--seeds", `${HASHED}`, "--hashes"];
    const [first, second] = [await sim(...args, "--threads", "0"), await sim(...args, "--threads", "1")];
    expect(first.stdout.split("\n"), first.stderr).toHaveLength(HASHED + 1);
    expect(second.stdout).toBe(first.stdout);
  });
  it("draws the same seeds for the same hash, and stops when its time is up", async () => {
    const list = async (hash: string): Promise<string> => (await sim(hash, "--seeds", "5", "--list")).stdout;
    expect(await list("abc")).toBe(await list("abc"));
    expect(await list("abd")).not.toBe(await list("abc"));
    const { status, stdout } = await sim("abc", "--seeds", "1000", "--minutes", "0.0001", "--threads", "1");
    expect(stdout).toMatch(/^1 seeds drawn from abc \(of 1000\),/);
    expect(status).toBe(0);
  });
});
