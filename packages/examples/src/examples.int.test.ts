import { describe, expect, it } from "vitest";
import { runDeno, runNode, source } from "./program.fixture.ts";

describe("the examples", () => {
  it("quick-start handles the moves in order", async () => {
    const { status, stdout, stderr } = await runNode("quick-start").ended;
    expect(stderr).toBe("");
    expect(stdout).toBe("g1 e4 attempt 1\ng1 e5 attempt 1\ng1 Nf3 attempt 1\n");
    expect(status).toBe(0);
  });
  it("one-program-two-transports gives the same over both", async () => {
    const { status, stdout } = await runNode("one-program-two-transports").ended;
    expect(stdout).toContain("over memory:");
    expect(stdout).toContain("over WebSocket:");
    expect(stdout).toContain("Both transports gave the same result.");
    expect(status).toBe(0);
  });
  it("order-break shows orders broken by plain handlers, and none by Seriatim", async () => {
    const { status, stdout } = await runNode("order-break").ended;
    const wrong = (name: string): number =>
      Number(new RegExp(`${name}: (\\d+) orders end in a wrong state`).exec(stdout)?.[1]);
    expect(wrong("plain concurrent handlers")).toBeGreaterThan(0);
    expect(stdout).toContain("Seriatim: 0 orders end in a wrong state, 0 saw a step too early");
    expect(status).toBe(0);
  });
  it("the quick start runs in Deno, over memory and over its own WebSocket", async () => {
    const args = ["run", "-A", "--node-modules-dir=manual", "--no-remote", source("deno/quick-start")];
    const { status, stdout, stderr } = await runDeno(args).ended;
    expect(stdout, stderr).toMatch(/^Deno \S+ over memory: e4 e5 Nf3\nDeno \S+ over WebSocket: e4 e5 Nf3\n$/);
    expect(status).toBe(0);
  });
});
