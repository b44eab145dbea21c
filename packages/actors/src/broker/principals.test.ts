import { describe, expect, it } from "vitest";
import { simulatedRuntime } from "../runtime/simulated-runtime.ts";
import { principalsOf } from "./principals.ts";

const lines = (answer: unknown) => {
  const runtime = simulatedRuntime({ seed: 1 });
  const logged: string[] = [];
  const logger = { log: (_: string, text: string) => void logged.push(text) };
  const ask = principalsOf({ authenticate: async () => answer as never }, { runtime, logger });
  return { runtime, logged, ask: () => ask("token", new AbortController().signal) };
};

describe("what an authenticator answers", () => {
  it("is a principal as it is, whatever else it has", async () => {
    for (const principal of [{ id: "a" }, { id: "x".repeat(1_024), roles: ["r"] }]) {
      const { ask, logged } = lines(principal);
      expect(await ask()).toBe(principal);
      expect(logged).toEqual([]);
    }
    const runtime = simulatedRuntime({ seed: 1 });
    const fresh = { id: "a", expiresAtMs: runtime.wallNow() + 1 };
    expect(await lines(fresh).ask()).toBe(fresh);
  });
  it("is nobody when it is null, or has expired", async () => {
    const runtime = simulatedRuntime({ seed: 1 });
    for (const answer of [null, { id: "a", expiresAtMs: runtime.wallNow() }, { id: "a", expiresAtMs: -1 }]) {
      const { ask, logged } = lines(answer);
      expect(await ask()).toBeNull();
      expect(logged).toEqual([]);
    }
  });
  it("is nobody, and logged, when it is false or undefined", async () => {
    for (const answer of [false, undefined]) {
      const { ask, logged } = lines(answer);
      expect(await ask()).toBeNull();
      expect(logged).toEqual([`authenticate must return a principal or null, found ${typeof answer}: nobody comes in`]);
    }
  });
  it.each([
    true,
    0,
    "alice",
    {},
    [],
    { id: 5 },
    { id: "" },
    { id: null },
    { id: "x".repeat(1_025) },
    { id: "a", expiresAtMs: Number.NaN },
    { id: "a", expiresAtMs: Number.POSITIVE_INFINITY },
    { id: "a", expiresAtMs: "soon" },
    { id: "a", expiresAtMs: null },
  ])("refuses, and is logged without what it holds, when it is %j", async (answer) => {
    const { ask, logged } = lines(answer);
    await expect(ask()).rejects.toMatchObject({ code: "UNAVAILABLE" });
    expect(logged).toHaveLength(1);
    expect(logged[0]).not.toContain("alice");
  });
  it("is logged once a minute, however often anybody asks", async () => {
    const { ask, logged, runtime } = lines(false);
    for (let asked = 0; asked < 100; asked++) await ask();
    await runtime.advance(60_000);
    await ask();
    expect(logged).toHaveLength(2);
  });
});
