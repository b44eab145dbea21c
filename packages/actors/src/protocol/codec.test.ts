import fc from "fast-check";
import { Packr } from "msgpackr";
import { describe, expect, it } from "vitest";
import { epoch, offset, sequence } from "../message/brands.ts";
import { isMessagingError } from "../message/errors.ts";
import { packMessage } from "../message/packed.ts";
import { NO_SLOT, slotOf } from "../message/route.ts";
import { framesOf } from "./codec.ts";
import { LIMITS } from "./field-checks.ts";
import { answers, anyFrame, anyFrames, frames, mayBeMissing, onLink, readBack } from "./frames.fixture.ts";
import { FRAME_TYPES, type Frame, type FrameType, type ReadFrame } from "./frames.ts";
import { binaryCodec, type Codec, codecOf, jsonCodec, validateFrame } from "./index.ts";

const CODECS: readonly Codec[] = [binaryCodec, jsonCodec];
const utf8 = new TextEncoder();
const fromUtf8 = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const hex = (bytes: Uint8Array): string => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
const fromHex = (digits: string): Uint8Array =>
  Uint8Array.from(digits.replaceAll(" ", "").match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
const binary = (...bytes: number[]): Uint8Array => Uint8Array.of(0x53, ...bytes);
/** A frame sent as a MessagePack map. */
const asMap = (body: Uint8Array): Uint8Array => {
  const packet = new Uint8Array(6 + body.length);
  packet.set([0x53, 0]);
  new DataView(packet.buffer).setUint32(2, body.length, true);
  packet.set(body, 6);
  return packet;
};

const violationOf = (
  run: () => unknown,
): { readonly message: string; readonly data: Readonly<Record<string, unknown>> } => {
  try {
    run();
  } catch (error) {
    if (isMessagingError(error, "PROTOCOL_VIOLATION")) return error;
    throw error;
  }
  throw new Error("expected a PROTOCOL_VIOLATION, nothing was thrown");
};
/** Whatever the bytes are: frames that are valid, or a violation. */
const decodesOrRefuses = (codec: Codec, packet: Uint8Array): void => {
  try {
    for (const frame of codec.decode(packet)) validateFrame(frame);
  } catch (error) {
    if (!isMessagingError(error, "PROTOCOL_VIOLATION")) throw error;
  }
};

describe.each(CODECS)("$name codec", (codec) => {
  it.each(FRAME_TYPES)("gives back every %s as it was sent", (type) => {
    fc.assert(
      fc.property(frames[type] as fc.Arbitrary<Frame>, (frame) => {
        expect(readBack(codec, codec.encode([frame]), [frame])).toStrictEqual([frame]);
      }),
    );
  });

  it("gives back the frames of a packet in order, also from the middle of a larger buffer", () => {
    fc.assert(
      fc.property(anyFrames, fc.nat(9), (sent, shift) => {
        const packet = codec.encode(sent);
        const larger = new Uint8Array(packet.length + shift + 3).fill(0xee);
        larger.set(packet, shift);
        expect(readBack(codec, larger.subarray(shift, shift + packet.length), sent)).toStrictEqual(sent);
        expect(codecOf(packet)).toBe(codec);
      }),
    );
  });

  it("takes a Buffer, and still gives plain arrays of bytes", () => {
    fc.assert(
      fc.property(frames["batch.append"], (frame) => {
        expect(codec.decode(Buffer.from(codec.encode([frame])))).toStrictEqual([frame]);
      }),
    );
  });

  it("throws nothing but PROTOCOL_VIOLATION on truncated packets", () => {
    fc.assert(
      fc.property(anyFrames, fc.double({ min: 0, max: 1, noNaN: true }), (sent, share) => {
        const packet = codec.encode(sent);
        decodesOrRefuses(codec, packet.subarray(0, Math.floor(packet.length * share)));
      }),
      { numRuns: 500 },
    );
  });

  it("throws nothing but PROTOCOL_VIOLATION on packets with flipped bits, cut and inserted bytes", () => {
    fc.assert(
      fc.property(
        anyFrame,
        fc.array(
          fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 }), fc.constantFrom("flip", "set", "cut", "insert")),
          {
            minLength: 1,
            maxLength: 4,
          },
        ),
        (frame, changes) => {
          const packet = [...codec.encode([frame])];
          for (const [place, byte, change] of changes) {
            const at = 1 + (place % Math.max(1, packet.length - 1));
            if (change === "cut") packet.splice(at, 1);
            else if (change === "insert") packet.splice(at, 0, byte);
            else packet[at] = change === "set" ? byte : packet[at]! ^ (1 << (byte & 7));
          }
          decodesOrRefuses(codec, Uint8Array.from(packet));
        },
      ),
      { numRuns: 2_000 },
    );
  });

  it("throws nothing but PROTOCOL_VIOLATION on random bytes behind a right first byte", () => {
    const first = codec.encode([])[0]!;
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.array(fc.integer({ min: 0, max: 12 }), { maxLength: 60 }).map((all) => Uint8Array.from(all)),
      fc.json().map((text) => utf8.encode(`${text}]`)),
      fc.string().map((text) => utf8.encode(text)),
    );
    fc.assert(
      fc.property(bytes, (rest) => decodesOrRefuses(codec, Uint8Array.of(first, ...rest))),
      { numRuns: 2_000 },
    );
  });

  it("refuses an empty packet and one of the other codec", () => {
    violationOf(() => codec.decode(new Uint8Array(0)));
    for (const other of CODECS) if (other !== codec) violationOf(() => codec.decode(other.encode([])));
  });

  it("takes a packet without frames", () => {
    expect(codec.decode(codec.encode([]))).toEqual([]);
  });

  it("sends what user code threw as plain data of bounded size", () => {
    const cyclic: Record<string, unknown> = {};
    cyclic["self"] = cyclic;
    const refused = (message: string, data: Readonly<Record<string, unknown>>): Frame => ({
      type: "refused",
      request: 1,
      error: { code: "UNAVAILABLE", message, data },
    });
    const received = (frame: Frame): unknown => codec.decode(codec.encode([frame]))[0];
    expect(
      received(
        refused("x", {
          when: new Date(0),
          big: 10n,
          call: () => 1,
          map: new Map([["a", 1]]),
          symbol: Symbol("s"),
          nan: Number.NaN,
          none: undefined,
          ["__proto__"]: 1,
          constructor: 2,
          inner: { prototype: 3, kept: true },
        }),
      ),
    ).toStrictEqual(
      refused("x", { when: "1970-01-01T00:00:00.000Z", big: "10", map: {}, nan: null, inner: { kept: true } }),
    );
    expect(received(refused("x".repeat(1_000_000), cyclic))).toMatchObject({
      error: { message: expect.stringMatching(/^x{8189}…$/), data: {} },
    });
    expect(received(refused("", { huge: "x".repeat(1_000_000) }))).toStrictEqual(refused("", {}));
  });

  it("refuses numbers that are no safe integers", () => {
    for (const wrong of [2 ** 53, -1, 0.5, Number.NaN, Number.POSITIVE_INFINITY])
      violationOf(() =>
        codec.decode(codec.encode([{ type: "lane.kept", lane: 1, epoch: epoch(1), kept: sequence(wrong) }])),
      );
  });
});

describe("binary codec", () => {
  const message = packMessage({
    key: "k",
    slot: slotOf("k"),
    id: null,
    headers: null,
    dueMs: null,
    encoding: "bytes",
    body: Uint8Array.of(1, 2),
  });
  const packed = "0d 00 00 00 01 02 d1 05 01 00 6b 01 02";
  const lease = { member: 1, queue: 2, epoch: epoch(1_763_800_000) };
  const leaseHex = "01 02 c0 e7 85 c9 06";
  /** A packet of each: whoever changes one of these changes the protocol's version. */
  const golden: readonly (readonly [FrameType, Frame, string])[] = [
    [
      "batch.append",
      {
        type: "batch.append",
        lane: 1,
        epoch: epoch(128),
        sequence: sequence(300),
        count: 1,
        durability: "synced",
        messages: message,
      },
      `53 01 01 80 01 ac 02 01 02 0d ${packed}`,
    ],
    [
      "batch.appended",
      {
        type: "batch.appended",
        lane: 1,
        epoch: epoch(128),
        sequence: sequence(300),
        count: 3,
        runs: [
          { count: 1, offset: offset(7), duplicate: true },
          { count: 2, offset: offset(Number.MAX_SAFE_INTEGER - 1), duplicate: false },
        ],
        kept: sequence(0),
      },
      "53 02 01 80 01 ac 02 03 02 01 07 01 02 fe ff ff ff ff ff ff 0f 00 00",
    ],
    ["lane.kept", { type: "lane.kept", lane: 1, epoch: epoch(2), kept: sequence(16_384) }, "53 03 01 02 80 80 01"],
    [
      "batch.refused",
      {
        type: "batch.refused",
        lane: 1,
        epoch: epoch(2),
        sequence: sequence(3),
        error: { code: "CLOSED", message: "é", data: { n: -1 } },
        expected: sequence(9),
        retryAfterMs: 1.5,
      },
      `53 04 01 02 03 83 a4 63 6f 64 65 a6 43 4c 4f 53 45 44 a7 6d 65 73 73 61 67 65 a2 c3 a9
       a4 64 61 74 61 81 a1 6e ff 01 09 01 00 00 00 00 00 00 f8 3f`,
    ],
    [
      "batch.refused",
      {
        type: "batch.refused",
        lane: 1,
        epoch: epoch(2),
        sequence: sequence(3),
        error: { code: "CLOSED", message: "", data: {} },
        expected: null,
        retryAfterMs: null,
      },
      "53 04 01 02 03 83 a4 63 6f 64 65 a6 43 4c 4f 53 45 44 a7 6d 65 73 73 61 67 65 a0 a4 64 61 74 61 80 00 00",
    ],
    ["credit", { type: "credit", ...lease, messages: 256, bytes: 2 ** 24 }, `53 05 ${leaseHex} 80 02 80 80 80 08`],
    [
      "deliver",
      {
        type: "deliver",
        ...lease,
        batches: [{ offset: offset(5), count: 1, appendedAtMs: 2 ** 40, messages: message }],
        tried: [[5, 2, 1]],
      },
      `53 06 ${leaseHex} 01 05 01 00 00 00 00 00 00 70 42 0d ${packed} 01 05 02 01`,
    ],
    [
      "redeliver",
      {
        type: "redeliver",
        ...lease,
        entries: [{ strand: 4, offset: offset(5), appendedAtMs: 2 ** 40, attempts: 2, losses: 1, message }],
      },
      `53 07 ${leaseHex} 01 04 05 00 00 00 00 00 00 70 42 02 01 0d ${packed}`,
    ],
    [
      "settle",
      {
        type: "settle",
        ...lease,
        settle: 0,
        settlement: {
          ranges: [[0, 1_000]],
          redriven: [{ strand: 4, offset: offset(5) }],
          tried: [[6, 2]],
          redrivenTried: [{ strand: 7, offset: offset(8), attempts: 3 }],
        },
      },
      `53 08 ${leaseHex} 00 01 00 e8 07 01 04 05 01 06 02 01 07 08 03`,
    ],
    ["settled", { type: "settled", ...lease, settle: 0, revision: 3 }, `53 09 ${leaseHex} 00 03`],
    ["heartbeat", { type: "heartbeat", beat: 1, grantsSeen: 2, leases: [lease] }, `53 0a 01 02 01 ${leaseHex}`],
    [
      "heartbeat.answered",
      {
        type: "heartbeat.answered",
        beat: 1,
        renewed: [{ ...lease, ttlMs: 1.5 }],
        ended: [{ ...lease, current: epoch(9) }],
      },
      `53 0b 01 01 ${leaseHex} 00 00 00 00 00 00 f8 3f 01 ${leaseHex} 09`,
    ],
    [
      "lane.close",
      { type: "lane.close", lane: 1_000 },
      "53 00 19 00 00 00 82 a4 74 79 70 65 aa 6c 61 6e 65 2e 63 6c 6f 73 65 a4 6c 61 6e 65 cd 03 e8",
    ],
  ];
  it.each(golden)("keeps the layout of %s", (_type, frame, packet) => {
    expect(hex(binaryCodec.encode([frame]))).toBe(packet.replaceAll(/\s/g, ""));
    expect(binaryCodec.decode(fromHex(packet))).toStrictEqual([frame]);
  });

  it("takes every frame as a map from another MessagePack library", () => {
    const packr = new Packr({ useRecords: false, mapsAsObjects: true });
    fc.assert(
      fc.property(anyFrame, (frame) => {
        expect(binaryCodec.decode(asMap(packr.pack(onLink(frame))))).toStrictEqual([onLink(frame)]);
      }),
    );
  });
  it("refuses a million empty maps before it has made them", () => {
    const maps = new Uint8Array(1_000_005).fill(0x80);
    maps.set([0xdd, 0, 0x0f, 0x42, 0x40]);
    expect(violationOf(() => binaryCodec.decode(asMap(maps))).message).toContain("too many empty ones");
  });
  it("shares the packet's memory with the messages it decodes", () => {
    const packet = fromHex(golden[0]![2]);
    const [frame] = binaryCodec.decode(packet);
    expect(frame?.type === "batch.append" && frame.messages.buffer).toBe(packet.buffer);
  });
  it("gives each packet memory of its own, of its own size", () => {
    const packet = binaryCodec.encode([golden[0]![1]]);
    const copy = packet.slice();
    binaryCodec.encode([golden[6]![1]]);
    expect(packet).toEqual(copy);
    expect(packet.buffer.byteLength).toBe(packet.length);
  });
  it("takes any frame as a MessagePack map, also of another writer", () => {
    // { type: "lane.kept", lane: uint64 1, epoch: int32 2, kept: float64 3 }
    const kept = asMap(
      fromHex(
        "84 d9 04 74797065 a9 6c616e652e6b657074 a4 6c616e65 cf 0000000000000001 a5 65706f6368 d2 00000002 a4 6b657074 cb 4008000000000000",
      ),
    );
    expect(binaryCodec.decode(kept)).toEqual([{ type: "lane.kept", lane: 1, epoch: 2, kept: 3 }]);
  });

  const huge = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f];
  it.each([
    ["messages", binary(1, 1, 1, 1, 1, 0, ...huge)],
    ["a list of runs", binary(2, 1, 1, 1, 1, ...huge)],
    ["a list that is within its limit and beyond the packet", binary(2, 1, 1, 1, 1, 0x80, 0x08, 1, 1, 1)],
    ["a map of a frame", binary(0, 0xff, 0xff, 0xff, 0xff)],
    ["a MessagePack array", asMap(Uint8Array.of(0xdd, 0xff, 0xff, 0xff, 0xff))],
    ["a MessagePack map", asMap(Uint8Array.of(0xdf, 0xff, 0xff, 0xff, 0xff))],
    ["MessagePack bytes", asMap(Uint8Array.of(0xc6, 0xff, 0xff, 0xff, 0xff))],
    ["a MessagePack string", asMap(Uint8Array.of(0xdb, 0xff, 0xff, 0xff, 0xff))],
  ])("refuses a length beyond the packet before it allocates: %s", (_what, packet) => {
    expect(violationOf(() => binaryCodec.decode(packet)).message).toMatch(/with \d+ bytes left|more bytes/);
  });
  it.each([
    ["an unknown frame code", binary(200)],
    ["an unknown durability", binary(1, 1, 1, 1, 1, 3, 0)],
    ["a flag that is neither", binary(2, 1, 1, 1, 1, 1, 1, 1, 2, 0)],
    ["a number of more than 8 bytes", binary(3, 1, 1, ...huge.slice(0, 7), 0x8f, 1)],
    ["a number above 2^53 - 1", binary(3, 1, 1, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10)],
    ["a number not in its shortest form", binary(3, 1, 1, 0x81, 0x00)],
    ["a uint64 above 2^53 - 1", asMap(fromHex("81 a1 61 cf 0020000000000000"))],
    ["a MessagePack extension", asMap(fromHex("c7 01 78 00"))],
    ["a MessagePack fixext, where msgpackr has records", asMap(fromHex("d4 72 40 91 a1 61 01"))],
    ["the byte that MessagePack never uses", asMap(fromHex("c1"))],
    ["a key that is no string", asMap(fromHex("81 01 01"))],
    ["a string that is not UTF-8", asMap(fromHex("a2 c3 28"))],
    ["a value shorter than its length", asMap(fromHex("80 c0"))],
    ["a key __proto__", asMap(fromHex("81 a9 5f5f70726f746f5f5f 80"))],
    ["a key constructor", asMap(fromHex("81 ab 636f6e7374727563746f72 80"))],
    ["a key prototype", asMap(fromHex("81 a9 70726f746f74797065 80"))],
    ["100,000 levels", asMap(new Uint8Array(100_000).fill(0x91))],
    ["a frame that is an array", asMap(fromHex("91 c0"))],
  ])("refuses %s", (_what, packet) => {
    violationOf(() => binaryCodec.decode(packet));
  });
});

describe("JSON codec", () => {
  const append = (messages: Uint8Array): Frame => ({
    type: "batch.append",
    lane: 1,
    epoch: epoch(2),
    sequence: sequence(3),
    count: 1,
    durability: "flushed",
    messages,
  });
  const packedOf = (body: string): Uint8Array =>
    packMessage({
      key: "a",
      slot: 7,
      id: "i",
      headers: { h: "v" },
      dueMs: null,
      encoding: "json",
      body: utf8.encode(body),
    });
  const sent = (frame: Frame): unknown => JSON.parse(fromUtf8(jsonCodec.encode([frame])))[0];
  const received = (frame: object): ReadFrame | undefined => jsonCodec.decode(utf8.encode(JSON.stringify([frame])))[0];
  const withMessages = (...messages: unknown[]) => ({ ...append(new Uint8Array(0)), messages });

  it("shows JSON bodies as JSON and others as base64", () => {
    const bytes = packMessage({
      key: null,
      slot: NO_SLOT,
      id: null,
      headers: null,
      dueMs: 5,
      encoding: "msgpack",
      body: Uint8Array.of(0xc0, 0xff),
    });
    const both = new Uint8Array([...packedOf('{"total":3,"items":["x"]}'), ...bytes]);
    expect(sent(append(both))).toEqual({
      ...append(both),
      messages: [
        { key: "a", id: "i", slot: 7, headers: { h: "v" }, encoding: "json", body: { total: 3, items: ["x"] } },
        { key: null, id: null, slot: null, headers: null, dueMs: 5, encoding: "msgpack", body: "wP8=" },
      ],
    });
  });
  it.each([
    ["spaces", '{"a": 1}'],
    ["a number in another form", "1.0"],
    ["no JSON", "{"],
    ["a key that JSON packets may not have", '{"__proto__":1}'],
    ["many levels", `${"[".repeat(1_000)}${"]".repeat(1_000)}`],
    ["a key twice", '{"a":1,"a":2}'],
  ])("shows a body as packed bytes when it would not come back the same: %s", (_what, body) => {
    const frame = append(packedOf(body));
    expect(sent(frame)).toMatchObject({ messages: [{ packed: expect.any(String) }] });
    expect(jsonCodec.decode(jsonCodec.encode([frame]))).toStrictEqual([frame]);
  });
  it("packs readable messages of other languages, and finds the slot of their key", () => {
    const frame = received(
      withMessages({ key: "customer-1", encoding: "json", body: { n: 1 } }, { encoding: "bytes", body: "AQI=" }),
    );
    const first = { id: null, headers: null, dueMs: null };
    expect(frame).toStrictEqual(
      append(
        new Uint8Array([
          ...packMessage({
            ...first,
            key: "customer-1",
            slot: slotOf("customer-1"),
            encoding: "json",
            body: utf8.encode('{"n":1}'),
          }),
          ...packMessage({ ...first, key: null, slot: NO_SLOT, encoding: "bytes", body: Uint8Array.of(1, 2) }),
        ]),
      ),
    );
  });
  it.each([
    ["an unknown encoding", { encoding: "xml", body: "" }, 'field "message.encoding"'],
    ["no body", { encoding: "json" }, 'field "message.body"'],
    ["a body that is no base64", { encoding: "bytes", body: "*" }, "expected base64"],
    ["a body that is no string", { encoding: "msgpack", body: 5 }, "expected base64"],
    ["a slot that cannot be", { key: "a", slot: 4_096, encoding: "json", body: 1 }, 'field "message.slot"'],
    ["headers that are no strings", { headers: { a: 1 }, encoding: "json", body: 1 }, 'field "message.headers.a"'],
    ["a key too long", { key: "é".repeat(513), encoding: "json", body: 1 }, 'field "message.key"'],
    ["an unknown field", { encoding: "json", body: 1, kye: "a" }, 'field "message.kye"'],
    ["both forms", { packed: "", body: 1 }, 'field "message.body"'],
    ["no object", 5, 'field "message"'],
  ])("refuses a message with %s", (_what, message, text) => {
    expect(violationOf(() => received(withMessages(message))).message).toContain(text);
  });
  it.each([
    ["no JSON", "[{]"],
    ["no array", '{"type":"lane.close","lane":1}'],
    ["100,000 levels", `${"[".repeat(100_000)}${"]".repeat(100_000)}`],
    ["a key __proto__", '[{"type":"lane.close","lane":1,"__proto__":{"x":1}}]'],
    [
      "a key constructor, deep inside",
      '[{"type":"refused","request":1,"error":{"code":"CLOSED","message":"","data":{"a":[{"constructor":1}]}}}]',
    ],
    ["a key of 2,000 characters", `[{"type":"lane.close","lane":1,"${"k".repeat(2_000)}":1}]`],
    ["a byte order mark", "\ufeff[]"],
  ])("refuses %s", (_what, text) => {
    violationOf(() => jsonCodec.decode(utf8.encode(text)));
    expect(({} as { x?: number }).x).toBeUndefined();
  });
});

describe("validateFrame", () => {
  it.each(FRAME_TYPES)("names frame and field of every %s that is wrong", (type) => {
    fc.assert(
      fc.property(frames[type] as fc.Arbitrary<Frame>, fc.constantFrom("wrong", "missing"), (sent, how) => {
        const frame = onLink(sent);
        for (const field of Object.keys(frame)) {
          if (field === "type" || (how === "missing" && mayBeMissing(type, field))) continue;
          if (field === "answer" && how === "wrong") continue; // whoever asked looks at it
          const { [field]: _left, ...rest } = frame as unknown as Record<string, unknown>;
          const error = violationOf(() => validateFrame(how === "wrong" ? { ...rest, [field]: -1.5 } : rest));
          expect(error.message).toContain(`frame "${type}", field "${field}"`);
          expect(error.data).toMatchObject({ frame: type, field, found: how === "wrong" ? "-1.5" : "nothing" });
        }
        expect(violationOf(() => validateFrame({ ...frame, extra: 1 })).message).toBe(
          `frame "${type}", field "extra": expected no such field, found 1`,
        );
      }),
      { numRuns: 20 },
    );
  });
  it.each([
    [undefined],
    [null],
    [5],
    ["hello"],
    [[]],
    [{}],
    [{ type: 5 }],
    [{ type: "unknown" }],
    [{ type: "toString" }],
    [new Uint8Array(3)],
  ])("refuses %o", (value) => {
    violationOf(() => validateFrame(value));
  });

  const lease = { member: 1, queue: 2, epoch: 3 };
  const settlement = { ranges: [], redriven: [], tried: [], redrivenTried: [] };
  const route = {
    topic: "t",
    version: 1,
    ordered: true,
    homes: ["a", "b"],
    runs: [
      [0, 0],
      [2_048, 1],
    ],
  };
  const found = {
    type: "topic.found",
    request: 1,
    route,
    spec: { name: "t", queues: 2, ordered: true, retention: {}, groups: [], parkedMessagesMax: 1, idWindowMs: 1 },
  };
  const grown = (length: number): number[] => Array.from({ length }, (_, index) => index);
  it.each([
    ["queue", { type: "lease.offered", member: 1, queue: 4_096 }],
    ["topic", { type: "topic.find", request: 1, topic: "x".repeat(129) }],
    ["instance", { type: "hello", versions: [1], instance: "é".repeat(513), link: 1, client: "", ordinal: null }],
    ["versions", { type: "hello", versions: grown(65), instance: "i", link: 1, client: "", ordinal: null }],
    ["error.code", { type: "goodbye", error: { code: "toString", message: "", data: {} } }],
    ["error.data", { type: "goodbye", error: { code: "CLOSED", message: "", data: [] } }],
    [
      "count",
      {
        type: "batch.append",
        lane: 1,
        epoch: 1,
        sequence: 0,
        count: 0,
        durability: "synced",
        messages: new Uint8Array(),
      },
    ],
    [
      "settlement.ranges",
      {
        type: "settle",
        ...lease,
        settle: 0,
        settlement: { ...settlement, ranges: grown(10_002).map((at) => [at, at + 1]) },
      },
    ],
    [
      "settlement.ranges[1]",
      {
        type: "settle",
        ...lease,
        settle: 0,
        settlement: {
          ...settlement,
          ranges: [
            [0, 1],
            [5, 5],
          ],
        },
      },
    ],
    [
      "settlement.tried[0][1]",
      { type: "settle", ...lease, settle: 0, settlement: { ...settlement, tried: [[0, "1"]] } },
    ],
    ["settlement.more", { type: "settle", ...lease, settle: 0, settlement: { ...settlement, more: 1 } }],
    ["leases", { type: "heartbeat", beat: 1, grantsSeen: 0, leases: grown(100_001).map(() => lease) }],
    ["leases[0].epoch", { type: "heartbeat", beat: 1, grantsSeen: 0, leases: [{ ...lease, epoch: 2 ** 53 }] }],
    ["tried[0]", { type: "deliver", ...lease, batches: [], tried: [[1, 2]] }],
    [
      "batches[0].messages",
      { type: "deliver", ...lease, batches: [{ offset: 0, count: 1, appendedAtMs: 0, messages: [1] }], tried: [] },
    ],
    ["question.kind", { type: "ask", request: 1, question: { kind: "constructor" } }],
    [
      "question.spec.retention.ageMs",
      { type: "ask", request: 1, question: { kind: "declare", spec: { ...found.spec, retention: { ageMs: null } } } },
    ],
    ["question.group", { type: "ask", request: 1, question: { kind: "account", topic: "t" } }],
    ["route.runs", { ...found, route: { ...route, runs: [] } }],
    ["route.runs", { ...found, route: { ...route, runs: [[1, 0]] } }],
    [
      "route.runs[1]",
      {
        ...found,
        route: {
          ...route,
          runs: [
            [0, 0],
            [0, 1],
          ],
        },
      },
    ],
    [
      "route.runs[1]",
      {
        ...found,
        route: {
          ...route,
          runs: [
            [0, 0],
            [9, 2],
          ],
        },
      },
    ],
  ])("names the place inside: %s", (field, frame) => {
    expect(violationOf(() => validateFrame(frame)).data["field"]).toBe(field);
  });
  it("takes lists as long as their limit", () => {
    const leases = grown(LIMITS.leases).map(() => lease);
    const beat = { type: "heartbeat", beat: 1, grantsSeen: 0, leases } as unknown as Frame;
    expect(binaryCodec.decode(binaryCodec.encode([beat]))).toEqual([beat]);
  });
});

describe.each([binaryCodec, jsonCodec])("what a broker reads ($name)", (codec) => {
  const read = (packet: Uint8Array): Frame[] => framesOf(codec.reader(packet));
  const fromClients = [
    "hello",
    "topic.find",
    "lane.open",
    "batch.append",
    "heartbeat",
    "settle",
    "ask",
    "goodbye",
  ] as const;

  it.each(fromClients)("is the same as what everybody reads: %s", (type) => {
    fc.assert(
      fc.property(frames[type] as fc.Arbitrary<Frame>, (frame) => {
        expect(read(codec.encode([frame]))).toStrictEqual([frame]);
      }),
    );
  });
  it("comes one after the other: what stands behind is not looked at", () => {
    const close: Frame = { type: "lane.close", lane: 1 };
    const whole = codec.encode([close, close]);
    const broken = codec.name === "binary" ? Uint8Array.of(...whole.slice(0, -1), 0xc1) : whole.slice(0, -3);
    const reader = codec.reader(broken);
    expect(reader.next()).toEqual(close);
    violationOf(() => reader.next());
  });
  it("holds at most 8,192 frames", () => {
    const many = (count: number): Frame[] => Array.from({ length: count }, (_, lane) => ({ type: "lane.close", lane }));
    expect(read(codec.encode(many(8_192)))).toHaveLength(8_192);
    expect(violationOf(() => read(codec.encode(many(8_193)))).message).toContain("at most 8192 frames");
  });
  it("is no frame of a broker, whatever it holds", () => {
    const done = {
      type: "aside.done",
      request: 1,
      member: 1,
      queue: 1,
      epoch: 1,
      revision: 1,
      offsets: [1],
    } as unknown;
    const appended = { type: "batch.appended", lane: 1, epoch: 1, sequence: 1, count: 1, runs: [], kept: 1 } as unknown;
    for (const frame of [done, appended] as Frame[]) {
      const packet = codec.encode([frame]);
      expect(codec.decode(packet)).toStrictEqual([frame]);
      expect(violationOf(() => read(packet)).message).toContain("a frame that clients send");
    }
  });
  it("holds no more values than a client can have to tell", () => {
    const ends = new Array(codec.name === "binary" ? 200_000 : 600_001).fill(1) as never;
    const packet = codec.encode([
      { type: "ask", request: 1, question: { kind: "reached", topic: "t", group: "g", ends } },
    ]);
    expect(violationOf(() => read(packet)).message).toContain("values");
    expect(violationOf(() => codec.decode(packet)).message).toContain("an array of at most 4096");
  });
  it("is the dearest settlement there can be, and a heartbeat of as many leases", () => {
    const each = <T>(make: (at: number) => T): T[] => Array.from({ length: LIMITS.ranges }, (_, at) => make(at));
    const settle = {
      ranges: each((at) => [2 * at, 2 * at + 1] as const),
      redriven: each((at) => ({ strand: 1, offset: at })),
      tried: each((at) => [at, 1] as const),
      redrivenTried: each((at) => ({ strand: 1, offset: at, attempts: 1 })),
    };
    const resume = { epoch: 1, settle, inHand: settle.ranges, redrivenInHand: [] };
    const acquire = { type: "lease.acquire", request: 1, member: 1, queue: 1, resume } as unknown as Frame;
    const leases = Array.from({ length: LIMITS.leases }, () => ({ member: 1, queue: 1, epoch: 1 }));
    const beat = { type: "heartbeat", beat: 1, grantsSeen: 1, leases } as unknown as Frame;
    expect(read(codec.encode([acquire, beat]))).toHaveLength(2);
    const more = { ...beat, leases: [...leases, ...leases.slice(0, 1)] } as unknown as Frame;
    violationOf(() => read(codec.encode([more])));
  });
});

describe("what a broker reads in JSON", () => {
  const batch = (count: number): Uint8Array =>
    utf8.encode(
      `[{"type":"batch.append","lane":1,"epoch":1,"sequence":1,"count":${count},"durability":"memory","messages":[${Array.from({ length: count }, () => '{"encoding":"json","body":0}').join(",")}]}]`,
    );
  it("is at most 4,096 readable messages a batch", () => {
    expect(framesOf(jsonCodec.reader(batch(4_096)))).toHaveLength(1);
    expect(violationOf(() => framesOf(jsonCodec.reader(batch(4_097)))).message).toContain("at most 4096 messages");
  });
});

describe.each(CODECS)("what answers a question ($name)", (codec) => {
  const kinds = Object.keys(answers) as (keyof typeof answers)[];
  it.each(kinds)("is any answer to %s", (kind) => {
    fc.assert(
      fc.property(answers[kind] as fc.Arbitrary<unknown>, (answer) => {
        expect(binaryCodec.answerTo(kind, answer)).toBe(answer);
      }),
    );
  });
  it.each(kinds)("is no answer to something else, as is not to %s", (kind) => {
    expect(violationOf(() => codec.answerTo(kind, { unknown: 1 })).message).toContain(`asked: "${kind}"`);
  });
  it("is right in every field: a refusal names the one that is not", () => {
    const ends = [
      { queue: 1, end: 1 },
      { queue: 2, end: -1 },
    ];
    expect(violationOf(() => codec.answerTo("describe", null)).message).toContain('asked: "describe"');
    expect(violationOf(() => codec.answerTo("ends", [{ queue: 1 }])).message).toContain('field "answer[0].end"');
    expect(violationOf(() => codec.answerTo("ends", ends)).data["field"]).toBe("answer[1].end");
    expect(violationOf(() => codec.answerTo("explain", { topic: "t" })).message).toContain('field "answer.key"');
  });
  it("goes as what it answers in this version has it, and does not say what that is", () => {
    const message = packMessage({
      key: "k",
      id: null,
      headers: null,
      dueMs: null,
      encoding: "json",
      body: utf8.encode("1"),
      slot: slotOf("k"),
    });
    const entry = { queue: 0, offset: offset(1), appendedAtMs: 2, message };
    const frame: Frame = { type: "answer", request: 1, kind: "aside.peek", answer: [{ ...entry, withheld: true }] };
    const [old] = codec.decode(codec.at(1).encode([frame]));
    expect(old).not.toHaveProperty("kind");
    expect(codec.answerTo("aside.peek", (old as { answer: unknown }).answer)).toStrictEqual([entry]);
    expect(readBack(codec, codec.encode([frame]), [frame])).toStrictEqual([frame]);
  });
});

describe("codecOf", () => {
  it.each([[[]], [[0]], [[0x7b]], [[0xef, 0xbb, 0xbf, 0x5b]]])("refuses a packet that begins with %o", (bytes) => {
    expect(violationOf(() => codecOf(Uint8Array.from(bytes))).message).toContain("first byte");
  });
});
