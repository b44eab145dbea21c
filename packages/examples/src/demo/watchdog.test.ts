import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Watchdog, within } from "./watchdog.ts";

describe("Watchdog", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("lets a run go on as long as something moves", () => {
    const watchdog = new Watchdog({ overallMs: 10_000_000 });
    for (let sent = 0; sent < 100; sent++) {
      watchdog.check({ sent });
      vi.advanceTimersByTime(30_000);
    }
  });
  it("ends a run in which nothing moves, and says how far it came", () => {
    const watchdog = new Watchdog({ overallMs: 10_000_000 });
    watchdog.check({ sent: 5 });
    vi.advanceTimersByTime(60_000);
    expect(() => watchdog.check({ sent: 5 })).toThrow(/nothing has moved for 45 s: sent 5/);
  });
  it("ends a run that takes too long", () => {
    const watchdog = new Watchdog({ overallMs: 1_000 });
    vi.advanceTimersByTime(2_000);
    expect(() => watchdog.check({ sent: 1 })).toThrow("not done after 1 s: sent 1");
  });
});

describe("within", () => {
  it("hands on what comes in time", async () => {
    await expect(within(1_000, "work", Promise.resolve(7))).resolves.toBe(7);
    await expect(within(1_000, "work", Promise.reject(new Error("no")))).rejects.toThrow("no");
  });
  it("names what takes too long", async () => {
    await expect(within(5, "the start", new Promise(() => {}))).rejects.toMatchObject({
      code: "STALLED",
      message: /the start took longer/,
    });
  });
});
