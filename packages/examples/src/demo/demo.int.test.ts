import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { demo, dir, NO_VIOLATION, reportOf } from "./demo.fixture.ts";

describe("the main demo", () => {
  it("keeps every promise through its faults, over WebSocket and in one process", async () => {
    const out = join(dir, "ws");
    const ws = demo("--orders", "330", "--seed", "11", "--json", "--out", out);
    const memory = demo("--orders", "330", "--seed", "12", "--json", "--transport", "memory");
    const [overWs, inMemory] = await Promise.all([ws.ended, memory.ended]);
    for (const { status, stdout, stderr } of [overWs, inMemory]) {
      expect(stderr).toBe("");
      const report = reportOf(stdout);
      expect(report.violations).toEqual(NO_VIOLATION);
      expect(report).toMatchObject({ accounted: true, clean: true, deadLettered: 3, refusedSends: 0 });
      expect(report.input.events).toBeGreaterThan(3_300);
      expect(report.sent).toBe(report.input.events);
      // What was frozen inside a handler woke up as a past holder:
      // its signal fired, and what it still tried was refused.
      expect(report.faults.find(({ fault }) => fault === "pause")?.inHand).toEqual(expect.any(String));
      expect(report.signalsFired).toBeGreaterThan(0);
      expect(report.refusedStale).toBeGreaterThan(0);
      expect(report.settled + report.parked + report.deadLettered).toBe(report.sent);
      expect(report.projection).toMatchObject({ gaps: 0, completeKeys: report.input.keys - 3 });
      expect(report.faults.map(({ fault }) => fault).toSorted()).toEqual(
        report.options["transport"] === "ws" ? ["kill", "kill", "pause"] : ["close", "close", "pause"],
      );
      for (const fault of report.faults)
        expect(fault).toMatchObject({ servedAgainMs: expect.any(Number), healedAfterMs: expect.any(Number) });
      for (const promise of ["P1", "P2", "P3", "P4", "P5", "P6", "P7", "P8", "P9"] as const) {
        expect(report.checks[promise], promise).toBeGreaterThan(0);
        expect(stdout).toMatch(new RegExp(`${promise} .*\\d`));
      }
      expect(status).toBe(0);
    }
    expect(JSON.parse(await readFile(join(out, "report.json"), "utf8"))).toEqual(reportOf(overWs.stdout));
    const files = await readdir(join(out, "history"));
    expect(files).toEqual(
      expect.arrayContaining([
        "broker.1.jsonl",
        "broker.2.jsonl",
        "driver.1.jsonl",
        "producer-2.1.jsonl",
        "consumer-3.1.jsonl",
      ]),
    );
    expect(ws.leftovers()).toEqual([]);
  });
});
