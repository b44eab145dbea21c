import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import type { SoakReport } from "./soak.ts";

const program = fileURLToPath(new URL("../../dist/soak/main.js", import.meta.url));

it("soaks broker, producer and consumer, and reports order, loss, memory, handles and the store", async () => {
  const folder = await mkdtemp(join(tmpdir(), "seriatim-soak-test-"));
  try {
    const json = join(folder, "soak.json");
    const args = [program, "--minutes", "0.2", "--every", "2", "--peak-seconds", "2", "--json", json];
    // too short to judge memory by: its status is not asked for
    await new Promise<void>((resolve) => void execFile(process.execPath, args, () => resolve()));
    const report = JSON.parse(await readFile(json, "utf8")) as SoakReport;
    expect(report.wrong).toEqual([]);
    expect(report.messages).toBeGreaterThan(1_000);
    const store = report.series.find(({ name }) => name === "store");
    expect(store?.points.length).toBeGreaterThanOrEqual(4);
    expect(report.verdicts.map(({ name }) => name)).toEqual(
      expect.arrayContaining(["broker heap", "producer heap", "consumer heap", "broker file descriptors", "store"]),
    );
    expect(report.verdicts.find(({ name }) => name === "broker file descriptors")?.flat).toBe(true);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
