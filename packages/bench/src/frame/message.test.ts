import { describe, expect, it } from "vitest";
import { BODY_BYTES_MIN, jsonText, readBody, stampBody } from "./message.ts";

describe("a body", () => {
  it("says which message it is, also where it is a part of a larger buffer, and the rest of it stays", () => {
    const larger = new Uint8Array(64).fill(7);
    const body = larger.subarray(5, 5 + BODY_BYTES_MIN + 4);
    for (const message of [
      { key: 0, n: 0, sentAtMs: 0 },
      { key: 255, n: 65_536, sentAtMs: 1_764_460_800_123.456 },
      { key: 0xffff_ffff, n: 0x8000_0000, sentAtMs: -0.5 },
    ]) {
      stampBody(body, message);
      expect(readBody(body)).toEqual(message);
    }
    expect([larger[4], ...body.subarray(BODY_BYTES_MIN), larger[5 + body.length]]).toEqual([7, 7, 7, 7, 7, 7]);
  });
  it("in JSON comes to about as many bytes", () => {
    const message = { key: 12, n: 3_456, sentAtMs: 1_764_460_800_123.456, text: jsonText(200) };
    expect(Math.abs(JSON.stringify(message).length - 200)).toBeLessThan(20);
  });
});
