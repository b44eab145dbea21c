import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import type { Report } from "./report/figures.ts";

const run = promisify(execFile);
const bench = (...args: readonly string[]) =>
  run(process.execPath, [fileURLToPath(new URL("../dist/main.js", import.meta.url)), ...args]);

describe("npm run bench", () => {
  it("measures ours in one process and over WebSocket, and prints the figures as its last line", async () => {
    const only = "embedded: memory store; ws + memory store";
    const { stdout } = await bench(
      "--rounds",
      "1",
      "--messages",
      "300",
      "--scenario",
      "throughput",
      "--only",
      only,
      "--json",
    );
    const report = JSON.parse(stdout.trimEnd().split("\n").at(-1) ?? "") as Report;
    expect(report.failures).toEqual([]);
    expect(report.rows.map(({ name, messages }) => [name, messages])).toEqual([
      ["ws + memory store", 300],
      ["embedded: memory store", 1_500],
    ]);
    for (const { messagesPerSecond, cpuMicros } of report.rows) {
      expect(messagesPerSecond.median).toBeGreaterThan(0);
      for (const micros of Object.values(cpuMicros)) expect(micros).toBeGreaterThan(0);
    }
  });
  it("records latency after the warm-up", async () => {
    const { stdout } = await bench(
      "--rounds",
      "1",
      "--seconds",
      "1",
      "--scenario",
      "latency",
      "--only",
      "500/s: ws + memory",
      "--json",
    );
    const { rows } = JSON.parse(stdout.trimEnd().split("\n").at(-1) ?? "") as Report;
    expect(rows).toHaveLength(1);
    const { p50Ms, p99Ms, maxMs } = rows[0]?.latency ?? {};
    expect(p50Ms?.median).toBeGreaterThan(0);
    expect(p99Ms?.median).toBeGreaterThanOrEqual(p50Ms?.median ?? Infinity);
    expect(maxMs?.median).toBeGreaterThanOrEqual(p99Ms?.median ?? Infinity);
  });
  it("refuses a scenario it does not know", async () => {
    await expect(bench("--scenario", "teleport")).rejects.toMatchObject({
      stderr: expect.stringContaining('expected throughput, latency, size, found "teleport"'),
    });
  });
});
