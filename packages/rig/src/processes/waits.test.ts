import { describe, expect, it } from "vitest";
import { within } from "./waits.ts";

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
