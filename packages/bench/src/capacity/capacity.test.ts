import { readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { checksOf, rateOn } from "./checks.ts";
import { inputsOf } from "./inputs.ts";
import { ASSUMED, demandOf, limitsOf, linksBetweenAll, microsAt, queuesFor } from "./model.ts";
import { report, WINDOW } from "./report.fixture.ts";
import { sectionsOf } from "./sections.ts";
import { withSections } from "./write-capacity.ts";

const inputs = inputsOf(report);
const assumed = { ...ASSUMED, coresPerMachine: 4, busyMax: 0.5 };

describe("inputsOf", () => {
  it("finds what a message and what a batch cost", () => {
    expect(inputs.cost.server.fixed).toBeCloseTo(10);
    expect(inputs.cost.server.each).toBeCloseTo(20);
    expect(microsAt(inputs, 2).server).toBeCloseTo(20);
    expect(inputs.costOfBytes.each).toBeCloseTo(0.01);
  });
  it("names a row or a figure that the run does not have", () => {
    const without = (name: string) => ({ ...report, rows: report.rows.filter((row) => row.name !== name) });
    expect(() => inputsOf(without("size: 10 queues"))).toThrow('no figures of the row "size: 10 queues"');
    const rows = report.rows.map(({ traffic: _, ...row }) => row);
    expect(() => inputsOf({ ...report, rows })).toThrow("size: 10 queues: producerBytes");
  });
});

describe("the model", () => {
  it("counts processes by their planned use, and machines by their cores", () => {
    // 1 M/s × 30 µs = 30 cores' worth at the broker, twice that with half of it planned
    const { processes, machines, ...broker } = demandOf(inputs, assumed, 1_000_000, 1);
    expect(processes).toEqual({ server: 60, producer: 30, consumer: 48 });
    expect(machines).toEqual({ server: 15, producer: 8, consumer: 12 });
    expect(broker.networkBitsPerSecond).toBeCloseTo((1_000_000 / 15) * 550 * 8);
    expect(broker.diskBytesPerSecond).toBeCloseTo((1_000_000 / 15) * 500);
  });
  it("says what fills a machine first", () => {
    const [first, ...others] = limitsOf(inputs, assumed, 1);
    expect(first?.what).toContain("CPU");
    expect(first?.messagesPerSecond).toBeCloseTo((4 * 0.5) / 30e-6);
    expect(others.map(({ what }) => what)).toEqual(["disk, bytes written", "network"]);
    expect(limitsOf(inputs, { ...assumed, diskBytesPerSecond: 1e6 }, 1)[0]?.what).toContain("disk");
  });
  it("takes a queue for each handler that runs, and never fewer queues than brokers", () => {
    const load = { rate: 1_000_000, handlerMs: 10, brokers: 60, linksPerBroker: 78 };
    const needed = queuesFor(inputs, assumed, load);
    expect(needed).toMatchObject({ queues: 20_000, topics: 60, queuesPerBroker: 334 });
    expect(needed.brokerMemoryBytes).toBe(334 * 5_000 + 78 * 20_000);
    expect(needed.openMs).toBeCloseTo(33.4);
    expect(queuesFor(inputs, assumed, { ...load, handlerMs: 0 }).queues).toBe(60);
    expect(queuesFor(inputs, assumed, { ...load, handlerMs: 200 })).toMatchObject({ queues: 400_000, topics: 120 });
  });
  it("counts the links of all with all", () => {
    const links = linksBetweenAll(demandOf(inputs, assumed, 1_000_000, 1), assumed, 1_000_000);
    expect(links).toMatchObject({ perBroker: 78, perClientProcess: 60, all: 4_680, beatsPerSecondOfBroker: 26 });
  });
  it("predicts rows that it was not made from", () => {
    for (const { what, unit, predicted, measured } of checksOf(inputs, WINDOW))
      if (unit !== "msgs/s") expect(predicted / measured, what).toBeCloseTo(what.startsWith("strict") ? 0.81 : 1, 1);
  });
  it("is held to the fullest event loop where there are cores enough", () => {
    const micros = { server: 20, producer: 10, consumer: 10 };
    expect([rateOn(1, micros), rateOn(2, micros), rateOn(64, micros)]).toEqual([25_000, 50_000, 50_000]);
  });
});

describe("docs/capacity.md", () => {
  it("has a place for every table, which takes what was there before", async () => {
    const page = await readFile(new URL("../../../../docs/capacity.md", import.meta.url), "utf8");
    const once = withSections(page, sectionsOf(report));
    expect(once).toContain("10.0 | 20.0");
    expect(withSections(once, sectionsOf(report))).toBe(once);
  });
  it("is refused without one", () => {
    expect(() => withSections("# Empty\n", sectionsOf(report))).toThrow('no place for "inputs"');
  });
});
