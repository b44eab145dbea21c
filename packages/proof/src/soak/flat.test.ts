import { describe, expect, it } from "vitest";
import { boundVerdict, memoryVerdict, type Series } from "./flat.ts";

const series = (values: readonly number[]): Series => ({
  name: "heap",
  points: values.map((value, minutes) => ({ minutes, value })),
});
const MB = 1_000_000;

describe("memory", () => {
  it("may grow while it warms up", () => {
    expect(memoryVerdict(series([5, 20, 30, 31, 30, 31, 30, 31, 30].map((mb) => mb * MB))).flat).toBe(true);
  });
  it("that goes on growing is not flat", () => {
    const growing = memoryVerdict(series([20, 22, 24, 26, 28, 30, 32, 34, 36].map((mb) => mb * MB)));
    expect(growing.flat).toBe(false);
    expect(growing.perHour).toBeCloseTo(120 * MB);
  });
  it("that grows by less than 1 MB an hour is flat, however small it is", () => {
    const values = Array.from({ length: 60 }, (_, minute) => 100_000 + minute * 10_000);
    expect(memoryVerdict(series(values)).flat).toBe(true);
    expect(memoryVerdict(series(values.map((value) => value * 2))).flat).toBe(false);
  });
  it("of one look says nothing", () => {
    expect(memoryVerdict(series([MB])).flat).toBe(false);
  });
});
describe("what is counted", () => {
  it("is flat below its earlier highest", () => {
    expect(boundVerdict(series([3, 9, 4, 8, 5, 9]), 0).flat).toBe(true);
    expect(boundVerdict(series([3, 9, 4, 8, 5, 10]), 0).flat).toBe(false);
    expect(boundVerdict(series([3, 9, 4, 8, 5, 10]), 1).flat).toBe(true);
  });
});
