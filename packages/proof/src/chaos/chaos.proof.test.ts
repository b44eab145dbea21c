import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { FAULT_KINDS, Program } from "@seriatim/rig";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { ChaosReport } from "./report.ts";

/** What the deep tests give it; alone it takes the least. */
const { CHAOS_MINUTES = "2", CHAOS_SEED = "1" } = process.env;
const MAIN = fileURLToPath(new URL("../../dist/chaos/main.js", import.meta.url));
let folder: string;
const started: Program[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "seriatim-chaos-test-"));
});
afterEach(() => {
  for (const program of started.splice(0)) program.kill();
  rmSync(folder, { recursive: true, force: true });
});

function chaos(...args: string[]): Program {
  const program = new Program(process.execPath, [MAIN, "--keep", join(folder, "kept"), ...args]);
  started.push(program);
  return program;
}
/** What a run of this folder has left: processes by their arguments or open files, and mounts. */
function leftovers(): string[] {
  const mounts = readFileSync("/proc/mounts", "utf8").split("\n");
  const processes = spawnSync("ps", ["-eo", "pid,args"], { encoding: "utf8" }).stdout.split("\n");
  const children = processes.filter((line) => line.includes(`${MAIN} child`));
  return [...mounts.filter((line) => line.includes(folder)), ...children];
}

describe("npm run chaos", () => {
  it(`keeps every promise for ${CHAOS_MINUTES} minutes of every kind of fault (seed ${CHAOS_SEED})`, async () => {
    const json = join(folder, "report.json");
    const time = ["--minutes", CHAOS_MINUTES, "--every-kind"];
    const program = chaos(...time, "--seed", CHAOS_SEED, "--rate", "1000", "--json", json);
    expect((await program.ended).status, program.said.slice(-8_000)).toBe(0);
    const report = JSON.parse(readFileSync(json, "utf8")) as ChaosReport;
    expect(report).toMatchObject({ verdict: "clean", failedRounds: 0, acknowledged: report.messages, violations: {} });
    const isHere = (kind: string): boolean => kind !== "io-error" || report.ioErrorsBy === "strace";
    for (const kind of FAULT_KINDS.filter(isHere)) expect(report.byKind[kind], kind).toBeGreaterThan(0);
    expect(report.killsWithWorkInFlight).toBeGreaterThan(0);
    expect(report.handledAgain).toBeGreaterThan(0);
    expect(readdirSync(folder)).toEqual(["report.json"]);
    expect(leftovers()).toEqual([]);
  });

  it("leaves nothing behind when it is interrupted", async () => {
    const program = chaos("--rounds", "1", "--from", "4", "--seed", "1", "--rate", "200");
    await expect.poll(() => leftovers().length, { interval: 100 }).toBeGreaterThan(3);
    program.signal("SIGINT");
    expect((await program.ended).status).toBe(130);
    expect(program.said).toContain("verdict: interrupted");
    expect(leftovers()).toEqual([]);
    expect(readdirSync(folder)).toEqual([]);
  });

  it("refuses what it does not understand in one line", async () => {
    const program = chaos("--minutes", "soon");
    expect((await program.ended).status).toBe(2);
    expect(program.said).toContain("It must be a number, from");
  });
});
