import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { packedFields } from "../protocol/frames.fixture.ts";
import { isMessagingError } from "./errors.ts";
import {
  concatBytes,
  ID_BYTES_MAX,
  KEY_BYTES_MAX,
  type PackedFields,
  PackedReader,
  packMessage,
  withBodyOf,
  withoutBody,
} from "./packed.ts";
import { NO_SLOT } from "./route.ts";

const plain: PackedFields = {
  key: null,
  slot: NO_SLOT,
  id: null,
  headers: null,
  dueMs: null,
  encoding: "bytes",
  body: Uint8Array.of(1, 2, 3),
};
const fieldsOf = (reader: PackedReader): PackedFields => ({
  key: reader.key,
  slot: reader.slot,
  id: reader.id,
  headers: reader.headers,
  dueMs: reader.dueMs,
  encoding: reader.encoding,
  body: reader.body,
});
const readAll = (bytes: Uint8Array): PackedFields[] => {
  const reader = new PackedReader(bytes);
  const all: PackedFields[] = [];
  while (reader.next()) all.push(fieldsOf(reader));
  return all;
};
/** Reads everything, however damaged; the number of messages that were found before it was noticed. */
const readsOrRefuses = (bytes: Uint8Array): number => {
  const reader = new PackedReader(bytes);
  let messages = 0;
  try {
    while (reader.next()) {
      messages++;
      expect(reader.length).toBe(reader.message.length);
      expect(reader.body.byteOffset + reader.body.length).toBe(reader.message.byteOffset + reader.message.length);
      for (const field of ["key", "id", "headers", "dueMs", "slot", "encoding"] as const) {
        try {
          void reader[field];
        } catch (error) {
          const isNewer = field === "encoding" && isMessagingError(error, "FORMAT_UNSUPPORTED");
          if (!isNewer && !isMessagingError(error, "PROTOCOL_VIOLATION")) throw error;
        }
      }
    }
  } catch (error) {
    if (!isMessagingError(error, "PROTOCOL_VIOLATION")) throw error;
  }
  // every message has a header of 8 bytes: more than that is a loop
  expect(messages).toBeLessThanOrEqual(bytes.length / 8);
  return messages;
};
/** A message with some bytes of it changed. */
const damagedBy = (fields: PackedFields, change: (bytes: Uint8Array, view: DataView) => void): Uint8Array => {
  const bytes = packMessage(fields);
  change(bytes, new DataView(bytes.buffer, bytes.byteOffset));
  return bytes;
};

describe("packed messages", () => {
  it("gives back every field, of every message of a batch, wherever the batch lies in its buffer", () => {
    fc.assert(
      fc.property(fc.array(packedFields, { maxLength: 6 }), fc.nat(9), (all, shift) => {
        const packed = concatBytes(all.map(packMessage));
        const larger = new Uint8Array(packed.length + shift + 5).fill(0xff);
        larger.set(packed, shift);
        expect(readAll(larger.subarray(shift, shift + packed.length))).toEqual(all);
      }),
    );
  });
  it("cuts a batch into the messages it was made of", () => {
    fc.assert(
      fc.property(fc.array(packedFields, { maxLength: 6 }), (all) => {
        const parts = all.map(packMessage);
        const reader = new PackedReader(concatBytes(parts));
        const found: Uint8Array[] = [];
        while (reader.next()) found.push(reader.message);
        expect(found).toEqual(parts);
      }),
    );
  });
  it("keeps its layout", () => {
    const bytes = packMessage({
      key: "k",
      slot: 0x0102,
      id: "ü",
      headers: { a: "b" },
      dueMs: 1.5,
      encoding: "json",
      body: Uint8Array.of(0x37),
    });
    expect([...bytes]).toEqual([
      ...[37, 0, 0, 0, 15, 1, 2, 1],
      ...[1, 0, 0x6b],
      ...[2, 0, 0xc3, 0xbc],
      ...[9, 0, 0, 0, ...new TextEncoder().encode('{"a":"b"}')],
      ...[0, 0, 0, 0, 0, 0, 0xf8, 0x3f],
      0x37,
    ]);
  });
  it("keeps keys apart that differ in a byte order mark", () => {
    const keys = ["\ufeffa", "a", "\ufeff"];
    expect(
      readAll(concatBytes(keys.map((key) => packMessage({ ...plain, key, slot: 1 })))).map(({ key }) => key),
    ).toEqual(keys);
  });
  it("takes keys and ids of 1,024 bytes, and no longer ones", () => {
    const longest = "é".repeat(KEY_BYTES_MAX / 2);
    expect(readAll(packMessage({ ...plain, key: longest, slot: 1, id: longest }))[0]).toMatchObject({
      key: longest,
      id: longest,
    });
    expect(() => packMessage({ ...plain, key: `${longest}x`, slot: 1 })).toThrow(
      expect.objectContaining({ code: "KEY_INVALID" }),
    );
    expect(() => packMessage({ ...plain, id: `${longest}x` })).toThrow(
      expect.objectContaining({ code: "OPTION_INVALID" }),
    );
  });
  it("takes no due time that is no number", () => {
    expect(() => packMessage({ ...plain, dueMs: Number.NaN })).toThrow(
      expect.objectContaining({ code: "OPTION_INVALID" }),
    );
  });

  it("reads headers as an object of strings, whatever else a peer wrote", () => {
    const text = '{"a":"1","b":2,"__proto__":"3","constructor":"4"}';
    const bytes = new Uint8Array([...packMessage({ ...plain, headers: {}, body: new Uint8Array() })]);
    const body = new TextEncoder().encode(text);
    const rebuilt = new Uint8Array(12 + body.length);
    rebuilt.set(bytes.subarray(0, 12));
    rebuilt.set(body, 12);
    new DataView(rebuilt.buffer).setUint32(0, rebuilt.length, true);
    new DataView(rebuilt.buffer).setUint32(8, body.length, true);
    expect(readAll(rebuilt)[0]!.headers).toStrictEqual({ a: "1", constructor: "4" });
  });
  it.each([
    ["headers that are an array", "[]"],
    ["headers that are null", "{}"],
    ["headers that are no JSON", "{]"],
  ])("refuses %s", (_what, text) => {
    const bytes = packMessage({ ...plain, headers: {}, body: new Uint8Array() });
    bytes.set(new TextEncoder().encode(text), 12);
    if (text === "{}") {
      const none = new Uint8Array([...bytes.subarray(0, 12), ...new TextEncoder().encode("null")]);
      new DataView(none.buffer).setUint32(0, none.length, true);
      new DataView(none.buffer).setUint32(8, 4, true);
      expect(() => readAll(none)).toThrow(expect.objectContaining({ code: "PROTOCOL_VIOLATION" }));
    } else expect(() => readAll(bytes)).toThrow(expect.objectContaining({ code: "PROTOCOL_VIOLATION" }));
  });

  const keyed = { ...plain, key: "key", slot: 1 };
  it.each<[string, Uint8Array]>([
    ["fewer bytes than a header", new Uint8Array(7)],
    ["a length below a header's", damagedBy(plain, (_, view) => view.setUint32(0, 7, true))],
    ["a length of nothing, which would not move on", damagedBy(plain, (_, view) => view.setUint32(0, 0, true))],
    ["a length beyond the batch", damagedBy(plain, (_, view) => view.setUint32(0, 0xffffffff, true))],
    ["unknown flags", damagedBy(plain, (bytes) => bytes.fill(16, 4, 5))],
    ["a key beyond the message", damagedBy(keyed, (_, view) => view.setUint16(8, 200, true))],
    [
      "a key of more than 1,024 bytes",
      damagedBy({ ...keyed, body: new Uint8Array(2_000) }, (_, view) => view.setUint16(8, KEY_BYTES_MAX + 1, true)),
    ],
    [
      "an id of more than 1,024 bytes",
      damagedBy({ ...plain, id: "", body: new Uint8Array(2_000) }, (_, view) =>
        view.setUint16(8, ID_BYTES_MAX + 1, true),
      ),
    ],
    ["a slot that cannot be", damagedBy(keyed, (_, view) => view.setUint16(6, 4_096, true))],
    ["a slot without a key", damagedBy(plain, (_, view) => view.setUint16(6, 1, true))],
    [
      "headers beyond the message",
      damagedBy({ ...plain, headers: {} }, (_, view) => view.setUint32(8, 0xffffffff, true)),
    ],
    [
      "a due time that is no number",
      damagedBy({ ...plain, dueMs: 1 }, (_, view) => view.setFloat64(8, Number.NaN, true)),
    ],
    ["a key that is not UTF-8", damagedBy(keyed, (bytes) => bytes.fill(0xff, 10, 11))],
  ])("refuses %s", (_what, bytes) => {
    expect(() => readAll(bytes)).toThrow(expect.objectContaining({ code: "PROTOCOL_VIOLATION" }));
    readsOrRefuses(bytes);
  });
  it("passes a body of a newer encoding through, and says so to who reads it: it is not damaged", () => {
    const newer = damagedBy(keyed, (bytes) => bytes.fill(3, 5, 6));
    const reader = new PackedReader(concatBytes([newer, packMessage(plain)]));
    expect(reader.next()).toBe(true);
    expect([reader.key, reader.message]).toEqual([keyed.key, newer]);
    const error = expect.objectContaining({
      code: "FORMAT_UNSUPPORTED",
      retryable: false,
      message:
        "the body has encoding 3, which is of a newer version: expected 0 to 2 (msgpack, json, bytes); upgrade what reads it",
    });
    expect(() => reader.encoding).toThrow(error);
    expect(() => withBodyOf(packMessage(keyed), newer)).toThrow(error);
    const bare = new PackedReader(withoutBody(newer));
    expect(bare.next()).toBe(true);
    expect([bare.key, bare.id, bare.slot, bare.headers, bare.encoding, bare.body.length]).toEqual([
      keyed.key,
      keyed.id,
      keyed.slot,
      null,
      "bytes",
      0,
    ]);
    expect(reader.next()).toBe(true);
    expect(reader.encoding).toBe(plain.encoding);
  });
  it("throws nothing but PROTOCOL_VIOLATION on random bytes, and comes to an end", () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      // lengths that fit, so that what comes behind them is looked at
      fc
        .array(fc.tuple(fc.nat(60), fc.nat(15), fc.nat(3), fc.uint8Array({ maxLength: 60 })), { maxLength: 5 })
        .map((parts) =>
          concatBytes(
            parts.map(([extra, flags, encoding, rest]) => {
              const part = new Uint8Array(8 + Math.max(rest.length, extra));
              part.set([part.length, 0, 0, 0, flags, encoding, 0, 0]);
              part.set(rest, 8);
              return part;
            }),
          ),
        ),
    );
    fc.assert(
      fc.property(bytes, (all) => void readsOrRefuses(all)),
      { numRuns: 3_000 },
    );
  });
  it("throws nothing but PROTOCOL_VIOLATION on damaged batches, and comes to an end", () => {
    fc.assert(
      fc.property(
        fc.array(packedFields, { minLength: 1, maxLength: 4 }),
        fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 4 }),
        fc.nat(20),
        (all, changes, cut) => {
          const bytes = concatBytes(all.map(packMessage)).slice();
          for (const [at, value] of changes) bytes[at % Math.min(bytes.length, 60)] = value;
          readsOrRefuses(bytes.subarray(0, Math.max(0, bytes.length - (cut > 10 ? cut : 0))));
        },
      ),
      { numRuns: 2_000 },
    );
  });
  it("finds nothing in an empty batch", () => {
    expect(readAll(new Uint8Array())).toEqual([]);
    expect(concatBytes([])).toEqual(new Uint8Array());
  });
});
