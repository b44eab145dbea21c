// The same seeds on another thread and in another runtime. `npm run test:deep` runs 1,000 of them.
import { describe, expect, it } from "vitest";
import { deno, inRepository, repository, run } from "./program.fixture.ts";

const program = inRepository("packages/proof/dist/sim/main.js");
const HASHED = 50;

describe("the simulation", () => {
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
