import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ErrorData } from "../message/errors.ts";
import { sendable } from "./sendable.ts";
import { ERROR_DEPTH_MAX, FORBIDDEN_KEYS } from "./violation.ts";

const sent = (data: unknown): unknown => {
  const error = { code: "UNAVAILABLE", message: "no", data: data as ErrorData } as const;
  const frame = sendable({ type: "refused", request: 1, error });
  return frame.type === "refused" ? frame.error.data : null;
};
const nested = (levels: number): unknown => (levels === 0 ? {} : { in: nested(levels - 1) });

describe("what travels of an error's data", () => {
  it("is what JSON has of it, whatever it is", () => {
    const anything = fc.dictionary(
      fc.string().filter((name) => name !== "toJSON"),
      fc.anything({ withDate: true, withNullPrototype: true, withMap: true, withSparseArray: false, maxDepth: 3 }),
    );
    const allowed = (name: string, value: unknown) => (FORBIDDEN_KEYS.has(name) ? undefined : value);
    fc.assert(
      fc.property(anything, (data) => {
        expect(sent(data)).toEqual(JSON.parse(JSON.stringify(data, allowed)));
      }),
    );
  });
  it("is itself where it is plain", () => {
    const data = { topic: "a", max: 1, isOpen: true, none: null, anyOf: [{ verb: "read" }] };
    expect(sent(data)).toBe(data);
  });
  it.each([
    ["a cycle", Object.assign({}, { self: null as unknown })],
    ["too deep", nested(ERROR_DEPTH_MAX + 1)],
    ["too long", { text: "x".repeat(70_000) }],
    ["too many", { list: Array.from({ length: 70_000 }, () => 1) }],
  ])("is empty where it cannot travel: %s", (what, data) => {
    if (what === "a cycle") (data as { self: unknown }).self = data;
    expect(sent(data)).toEqual({});
  });
  it.each([
    ["a date", { at: new Date(0) }, { at: "1970-01-01T00:00:00.000Z" }],
    ["a bigint", { n: 1n }, { n: "1" }],
    ["no number", { n: Number.NaN, m: -0 }, { n: null, m: 0 }],
    ["its own toJSON", { toJSON: () => ({ a: 1 }) }, { a: 1 }],
    ["a key of danger", JSON.parse('{"__proto__":1,"a":2}'), { a: 2 }],
    ["a text that has to be escaped", { text: "\u0000".repeat(8_000) }, { text: "\u0000".repeat(8_000) }],
  ])("is JSON's where it is not plain: %s", (_what, data, expected) => {
    expect(sent(data)).toEqual(expected);
  });
});
