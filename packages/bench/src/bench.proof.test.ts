import { execFile } from "node:child_process";
import { copyFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { report as capacityReport } from "./capacity/report.fixture.ts";
import { figureNames } from "./cost/figures.ts";
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
    expect(report.load.warmUpPercent).toBe(50);
    for (const { messagesPerSecond, cpuMicros, perRound } of report.rows) {
      expect(perRound[0]?.messagesPerSecond).toBe(messagesPerSecond?.median);
      expect(messagesPerSecond?.median).toBeGreaterThan(0);
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
  it("runs each kind of row with tiny numbers, and every one is judged", async () => {
    // Side by side, since no figure matters. Many processes: slow on a machine that has other work.
    const asked = [
      ["consumers: 2", "start-up"],
      ["1,000 messages standing", "broker's memory", "100 idle"],
      ["consumer killed, lease TTL 2 s"],
      ["broker killed, lease TTL 2 s"],
    ];
    const reports = await Promise.all(
      asked.map(async (only) => {
        const { stdout } = await bench(
          ...["--rounds", "1", "--messages", "500", "--most", "100", "--backlog-bytes", "2000000"],
          ...["--scenario", "all", "--only", only.join(";"), "--json"],
        );
        return JSON.parse(stdout.trimEnd().split("\n").at(-1) ?? "") as Report;
      }),
    );
    expect(reports.flatMap(({ failures }) => failures)).toEqual([]);
    const rows = reports.flatMap((report) => report.rows);
    expect(rows).toHaveLength(asked.flat().length);
    const figure = (row: string, name: string) =>
      rows.find((each) => each.name.includes(row))?.figures?.[name]?.median ?? Number.NaN;
    for (const row of ["consumers", "standing", "memory", "idle"])
      expect(rows.find(({ name }) => name.includes(row))?.messagesPerSecond?.median).toBeGreaterThan(0);
    expect(figure("start-up", "first delivery after, ms")).toBeGreaterThan(
      figure("start-up", "broker answers after, ms"),
    );
    expect(figure("consumer killed", "all its keys handled by another after, ms")).toBeGreaterThan(0);
    expect(figure("broker killed", "first receipt after, ms")).toBeGreaterThan(0);
    if (process.platform === "linux") expect(figure("memory", "memory, largest, MB")).toBeGreaterThan(10);
  });
  it("takes the figures of an earlier run, writes the tables of the capacity model, and runs nothing", async () => {
    const folder = await mkdtemp(join(tmpdir(), "seriatim-bench-test-"));
    try {
      const [figures, page] = [join(folder, "figures.json"), join(folder, "capacity.md")];
      await writeFile(figures, JSON.stringify(capacityReport));
      await copyFile(fileURLToPath(new URL("../../../docs/capacity.md", import.meta.url)), page);
      const { stdout } = await bench("--from", figures, "--capacity", page);
      expect(stdout).toContain(`wrote ${page}`);
      expect(await readFile(page, "utf8")).toContain("| CPU µs/msg: broker / producer / consumer |");
    } finally {
      await rm(folder, { recursive: true });
    }
  });
  it("prices frames and questions, in tables of their own, also in a page", async () => {
    const folder = await mkdtemp(join(tmpdir(), "seriatim-bench-test-"));
    try {
      const page = join(folder, "security.md");
      await copyFile(fileURLToPath(new URL("../../../docs/security.md", import.meta.url)), page);
      const only = ["heartbeat", "goodbye", "batch.append", "ask explain"];
      const { stdout } = await bench(
        ...["--rounds", "1", "--messages", "2000", "--scenario", "cost"],
        ...["--only", only.map((name) => `cost: ${name}`).join(";"), "--cost", page, "--json"],
      );
      const { rows, failures, bars } = JSON.parse(stdout.trimEnd().split("\n").at(-1) ?? "") as Report;
      expect(failures).toEqual([]);
      expect(rows.map(({ name }) => name)).toEqual(expect.arrayContaining(only.map((name) => `cost: ${name}`)));
      for (const { name, figures = {} } of rows)
        for (const principal of ["stranger", "worker"] as const)
          for (const figure of ["bytes", "cpu", "cpuTimes", "longest"] as const)
            expect([name, figure, figures[figureNames(principal)[figure]]?.median]).toEqual([
              name,
              figure,
              expect.any(Number),
            ]);
      expect(bars.filter(({ row }) => row === "cost: heartbeat").length).toBe(process.platform === "linux" ? 4 : 3);
      expect(await readFile(page, "utf8")).toContain("| `ask explain` |");
    } finally {
      await rm(folder, { recursive: true });
    }
  });
  it("refuses a scenario it does not know", async () => {
    await expect(bench("--scenario", "teleport")).rejects.toMatchObject({
      stderr: expect.stringContaining('found "teleport"'),
    });
  });
});
