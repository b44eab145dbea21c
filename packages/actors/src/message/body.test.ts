import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { decodeBody, encodeBody, validate } from "./body.ts";
import { isMessagingError } from "./errors.ts";
import { msgpackFault } from "./msgpack-shape.ts";
import { topic, typed } from "./topic.ts";

const codeOf = (fn: () => unknown): string => {
  try {
    fn();
  } catch (error) {
    return isMessagingError(error) ? error.code : `not ours: ${String(error)}`;
  }
  return "nothing thrown";
};

describe("encodeBody and decodeBody", () => {
  it("keep dates, bigints, bytes, sets and undefined in msgpack", () => {
    const body = {
      at: new Date(1_700_000_000_123),
      big: 2n ** 80n,
      small: -5n,
      bytes: new Uint8Array([1, 2]),
      set: new Set([1, "a"]),
      none: undefined,
      nested: [{ deep: [null, true, 1.5] }],
    };
    const back = decodeBody("msgpack", encodeBody("msgpack", body)) as typeof body;
    expect({ ...back, bytes: [...back.bytes] }).toEqual({ ...body, bytes: [1, 2] });
  });
  it("pass bytes through without a copy", () => {
    const bytes = new Uint8Array([9, 8, 7]);
    expect(decodeBody("bytes", encodeBody("bytes", bytes))).toBe(bytes);
  });
  it("refuse what the encoding cannot hold", () => {
    const cycle: Record<string, unknown> = {};
    cycle["self"] = cycle;
    expect(codeOf(() => encodeBody("json", cycle))).toBe("SCHEMA_FAILED");
    expect(codeOf(() => encodeBody("json", 5n))).toBe("SCHEMA_FAILED");
    expect(codeOf(() => encodeBody("json", undefined))).toBe("SCHEMA_FAILED");
    expect(codeOf(() => encodeBody("msgpack", Symbol("x")))).toBe("SCHEMA_FAILED");
    expect(codeOf(() => encodeBody("bytes", "text"))).toBe("SCHEMA_FAILED");
  });
  it("let no name reach a prototype", () => {
    const hostile = [
      '{"__proto__":{"polluted":true},"a":1}',
      '{"\\u005f_proto__":{"polluted":true},"a":1}',
      '{"a":[{"__proto__":{"polluted":true}}]}',
    ];
    for (const json of hostile) {
      const copy = structuredClone(Object.assign({}, decodeBody("json", new TextEncoder().encode(json)))) as {
        polluted?: boolean;
      };
      expect(copy.polluted).toBeUndefined();
      expect(JSON.stringify(decodeBody("json", new TextEncoder().encode(json)))).not.toContain("polluted");
    }
    const packed = encodeBody("msgpack", JSON.parse(hostile[0]!));
    const body = decodeBody("msgpack", packed) as object;
    expect(Object.getPrototypeOf(body)).toBe(Object.prototype);
    expect(Object.assign({}, body)).not.toHaveProperty("polluted");
    expect({}).not.toHaveProperty("polluted");
  });
  it("throw only SCHEMA_FAILED, whatever the bytes are", () => {
    void fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 200 }),
        fc.constantFrom("msgpack" as const, "json" as const),
        (bytes, encoding) => {
          const code = codeOf(() => decodeBody(encoding, bytes));
          expect(["SCHEMA_FAILED", "nothing thrown"]).toContain(code);
        },
      ),
      { numRuns: 3_000 },
    );
  });
  it("refuse a length that is not there before anything is built for it", () => {
    for (const bytes of [
      [0xdd, 0xff, 0xff, 0xff, 0xff],
      [0xdf, 0x7f, 0xff, 0xff, 0xff, 1],
      [0xdb, 0xff, 0xff, 0xff, 0xff],
      [0xd4, 0x72, 0x40],
      [0xc1],
    ])
      expect(codeOf(() => decodeBody("msgpack", new Uint8Array(bytes)))).toBe("SCHEMA_FAILED");
    expect(codeOf(() => decodeBody("msgpack", new Uint8Array(100_000).fill(0x91)))).toBe("SCHEMA_FAILED");
  });
  it("accept every body that can be written", () => {
    void fc.assert(
      fc.property(
        fc.anything({ withBigInt: true, withDate: true, withTypedArray: true, withSet: true, withNullPrototype: true }),
        (body) => {
          const packed = encodeBody("msgpack", body);
          expect(msgpackFault(packed)).toBeNull();
          decodeBody("msgpack", packed);
        },
      ),
      { numRuns: 2_000 },
    );
  });
});

describe("validate", () => {
  it("gives the parsed body", () => {
    const counts = topic("counts", { schema: z.object({ n: z.coerce.number().default(3) }), key: null });
    expect([validate(counts, {}), validate(counts, { n: "7" })]).toEqual([{ n: 3 }, { n: 7 }]);
  });
  it("tells what the schema did not like, and where", () => {
    const names = topic("names", { schema: z.object({ who: z.object({ name: z.string() }) }), key: null });
    expect(() => validate(names, { who: { name: 5 } })).toThrow(/topic "names" refuses the body: .* at who\.name/);
  });
  it("refuses a schema that answers later, and one that throws", () => {
    const late = topic("late", { schema: z.string().refine(() => Promise.resolve(true)), key: null });
    expect(codeOf(() => validate(late, "x"))).toBe("SCHEMA_ASYNC");
    const broken = topic("broken", {
      schema: {
        "~standard": {
          ...typed<string>()["~standard"],
          validate: () => {
            throw new Error("bug");
          },
        },
      },
      key: null,
    });
    expect(codeOf(() => validate(broken, "x"))).toBe("SCHEMA_FAILED");
  });
});
