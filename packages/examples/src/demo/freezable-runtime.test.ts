import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { FreezableRuntime } from "./freezable-runtime.ts";

describe("FreezableRuntime", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("holds what comes due while it is frozen, and runs it in that order when it thaws", () => {
    const runtime = new FreezableRuntime();
    const ran: string[] = [];
    runtime.setTimeout(() => ran.push("second"), 20);
    runtime.setTimeout(() => ran.push("first"), 10);
    const cancelled = runtime.setTimeout(() => ran.push("never"), 15);
    runtime.setTimeout(() => ran.push("later"), 500);
    runtime.freeze();
    vi.advanceTimersByTime(100);
    expect(ran).toEqual([]);
    runtime.clearTimeout(cancelled); // also once it is held
    runtime.thaw();
    expect(ran).toEqual(["first", "second"]);
    vi.advanceTimersByTime(500);
    expect(ran).toEqual(["first", "second", "later"]);
  });
});
