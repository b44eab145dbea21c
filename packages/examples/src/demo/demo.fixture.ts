// The demo as its tests run it, in a folder of their own.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Program } from "@seriatim/rig";
import { afterAll, afterEach, beforeAll } from "vitest";
import { runNode } from "../program.fixture.ts";
import type { DemoReport } from "./report.ts";

/** Of the file's tests; every program's temporary files are in it too. */
export let dir = "";
const programs: Program[] = [];
/** Killed at the end of its test, if it still runs. */
export const demo = (...args: string[]): Program => {
  const program = runNode("demo/main", args, { TMPDIR: dir });
  programs.push(program);
  return program;
};
export const reportOf = (stdout: string): DemoReport =>
  JSON.parse(stdout.trimEnd().split("\n").at(-1) ?? "") as DemoReport;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "seriatim-demo-test-"));
});
afterEach(() => {
  for (const program of programs.splice(0)) program.kill();
});
afterAll(() => rm(dir, { recursive: true }));

export const NO_VIOLATION = { P1: 0, P2: 0, P3: 0, P4: 0, P5: 0, P6: 0, P7: 0, P8: 0, P9: 0 };
