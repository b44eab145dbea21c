import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { patiently, Watchdog } from "./watchdog.ts";

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
    vi.advanceTimersByTime(200_000);
    expect(() => watchdog.check({ sent: 5 })).toThrow(/nothing has moved for 180 s: sent 5/);
  });
  it("ends a run that takes too long", () => {
    const watchdog = new Watchdog({ overallMs: 1_000 });
    vi.advanceTimersByTime(2_000);
    expect(() => watchdog.check({ sent: 1 })).toThrow("not done after 1 s: sent 1");
  });
});

describe("patiently", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("hands on what comes after a long time, and says meanwhile what it waits for", async () => {
    const told: string[] = [];
    const late = ["consumer-1#1", "consumer-2#1"];
    let arrive = (_: number): void => {};
    const work = new Promise<number>((resolve) => {
      arrive = resolve;
    });
    const done = patiently(
      "starting",
      work,
      () => late,
      (text) => told.push(text),
    );
    await vi.advanceTimersByTimeAsync(6_000);
    late.shift();
    await vi.advanceTimersByTimeAsync(15_000);
    arrive(7);
    await expect(done).resolves.toBe(7);
    await vi.advanceTimersByTimeAsync(100_000);
    expect(told).toEqual([
      "starting: 5 s so far, waiting for consumer-1#1, consumer-2#1 (Ctrl-C ends it)",
      "starting: 20 s so far, waiting for consumer-2#1 (Ctrl-C ends it)",
    ]);
  });
  it("says nothing of what is quick, and hands on what fails", async () => {
    const told: string[] = [];
    const failing = patiently(
      "starting",
      Promise.reject(new Error("no")),
      () => [],
      (text) => told.push(text),
    );
    await expect(failing).rejects.toThrow("no");
    expect(told).toEqual([]);
  });
  it("ends a wait that is past hoping, naming who was awaited and what helps", async () => {
    const done = patiently(
      "starting",
      new Promise(() => {}),
      () => ["broker#1"],
      () => {},
    );
    const told = expect(done).rejects.toMatchObject({
      code: "STALLED",
      message: expect.stringMatching(/starting took longer than 900 s, still waiting for broker#1; .*--consumers 1/),
    });
    await vi.advanceTimersByTimeAsync(900_000);
    await told;
  });
});
