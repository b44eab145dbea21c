// The program as the deep tests run it. It runs from dist.
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, it } from "vitest";

const program = fileURLToPath(new URL("../../dist/mutants/main.js", import.meta.url));

it("stops when its time is up, whatever part of a millisecond that is, and tells what it did not reach", async () => {
  const folder = await mkdtemp(join(tmpdir(), "seriatim-mutants-"));
  try {
    const json = join(folder, "mutants.json");
    const args = [
      "--only",
      "gap-accepted,epoch-not-persisted",
      "--minutes",
      "0.0000123",
      "--seed",
      "abc",
      "--json",
      json,
    ];
    const { stdout } = await promisify(execFile)(process.execPath, [program, ...args]);
    expect(stdout).toContain("0 of 0 mutants caught");
    const { mutants, notReached } = JSON.parse(await readFile(json, "utf8"));
    expect(mutants).toEqual([]);
    expect(notReached.toSorted()).toEqual(["epoch-not-persisted", "gap-accepted"]);
  } finally {
    await rm(folder, { recursive: true });
  }
});
