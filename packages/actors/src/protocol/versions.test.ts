import fc from "fast-check";
import { Packr } from "msgpackr";
import { describe, expect, it } from "vitest";
import { isMessagingError, type MessagingError } from "../message/errors.ts";
import { anyFrame, frames as frameOf, readBack } from "./frames.fixture.ts";
import type { Frame } from "./frames.ts";
import { binaryCodec, type Codec, jsonCodec, versionsUnsupported } from "./index.ts";
import { filledIn, NEXT_VERSION, nextCodecs } from "./next-version.fixture.ts";
import { frameTables } from "./validate-frame.ts";
import { NEWEST_VERSION, PROTOCOL_VERSIONS } from "./version.ts";

const THIS = { binary: binaryCodec, json: jsonCodec };
const cases = nextCodecs.map((next) => ({ name: next.name, next, today: THIS[next.name] }));
/** The frame as code of the next version has it; a `welcome` says itself which version it is of. */
const nextFrames = anyFrame.map(
  (frame) =>
    filledIn({
      ...(frame as unknown as Readonly<Record<string, unknown>>),
      ...(frame.type === "welcome" ? { version: NEXT_VERSION } : {}),
    }) as unknown as Frame,
);
const errorOf = (run: () => unknown): MessagingError => {
  try {
    run();
  } catch (error) {
    if (isMessagingError(error)) return error;
    throw error;
  }
  throw new Error("expected an error, nothing was thrown");
};
const isNoOpening = ({ type }: Frame): boolean => type !== "hello" && type !== "welcome";
const passOver = { type: "pass.over", request: 1, to: "b2" } as unknown as Frame;
const moved = { type: "ask", request: 1, question: { kind: "moved", topic: "t" } } as unknown as Frame;
const settled = { type: "settled", member: 1, queue: 2, epoch: 3, settle: 4, revision: 5 } as unknown as Frame;
const hello = (versions: readonly number[]): Frame => ({
  type: "hello",
  versions,
  instance: "i",
  link: 1,
  ordinal: null,
  client: "c",
});

describe.each(cases)("the $name codec of a next version", ({ next, today }) => {
  it("carries every frame with its new fields, and the new frames and questions, where both speak it", () => {
    fc.assert(
      fc.property(fc.oneof(nextFrames, fc.constantFrom(passOver, moved)), (frame) => {
        expect(readBack(next, next.encode([frame]), [frame])).toStrictEqual([frame]);
        expect(next.refusal(frame)).toBeNull();
      }),
    );
  });

  it("writes to a peer of this version the same bytes as this version does, and reads what that one writes", () => {
    const old = next.at(NEWEST_VERSION);
    fc.assert(
      fc.property(anyFrame, (frame) => {
        const packet = today.encode([frame]);
        expect(old.encode([filledIn(frame as never) as never])).toStrictEqual(packet);
        expect(readBack(old, packet, [frame])).toStrictEqual([frame]);
      }),
    );
  });

  it("takes from a peer of this version no field, frame or question that came later, as this version does not", () => {
    for (const [frame, field] of [
      [filledIn(settled as never), "atMs"],
      [passOver, "type"],
      [moved, "question.kind"],
    ] as const) {
      const packet = asSent(next, frame);
      for (const codec of [next.at(NEWEST_VERSION), today]) {
        const { code, data } = errorOf(() => codec.decode(packet));
        expect([code, data["field"]]).toEqual(["PROTOCOL_VIOLATION", field]);
      }
    }
  });

  it("misses a field that came with the version which is spoken", () => {
    const { data } = errorOf(() => next.decode(asSent(today, settled)));
    expect(data).toMatchObject({ frame: "settled", field: "atMs", found: "nothing" });
  });

  it("does not send a frame or a question to a peer that cannot know it, and says who must be upgraded", () => {
    const old = next.at(NEWEST_VERSION);
    for (const [frame, what] of [
      [passOver, 'type "pass.over"'],
      [moved, 'kind "moved"'],
    ] as const) {
      const error = errorOf(() => old.encode([frame]));
      expect(error.code).toBe("VERSION_UNSUPPORTED");
      expect(error.message).toBe(
        `${what} came with protocol version ${NEXT_VERSION}, this link speaks version ${NEWEST_VERSION}: upgrade the side that is older`,
      );
      expect(old.refusal(frame)?.message).toBe(error.message);
    }
    expect(old.encode([settled])).toStrictEqual(today.encode([settled])); // and goes on
  });

  it("reads what stands behind a hello, or a welcome, in its packet as what these two agree on", () => {
    fc.assert(
      fc.property(frameOf.welcome, anyFrame.filter(isNoOpening), (welcome, frame) => {
        const first: readonly (readonly [Frame, number])[] = [
          [hello(PROTOCOL_VERSIONS), NEWEST_VERSION],
          [hello([NEXT_VERSION, 1, 99]), NEXT_VERSION],
          [{ ...welcome, version: NEWEST_VERSION }, NEWEST_VERSION],
          [filledIn({ ...welcome, version: NEXT_VERSION } as never) as never, NEXT_VERSION],
        ];
        for (const [opening, version] of first) {
          const behind = version === NEWEST_VERSION ? frame : (filledIn(frame as never) as unknown as Frame);
          const whole = joined(next, next.at(version).encode([opening]), next.at(version).encode([behind]));
          expect(readBack(next, whole, [opening, behind])).toStrictEqual([opening, behind]);
        }
      }),
    );
  });

  it("is had for its versions only", () => {
    expect(next.versions).toEqual([...PROTOCOL_VERSIONS, NEXT_VERSION]);
    expect(next.at(1).at(NEXT_VERSION).encode([passOver])).toStrictEqual(next.encode([passOver]));
    expect(() => next.at(99)).toThrow(`protocol version 99 is none of ${next.versions.join(", ")}`);
  });
});

describe("the versions of this code", () => {
  it("are those whose hello and goodbye everybody can read: both have had the same fields in all of them", () => {
    expect([frameTables.newestIn("hello"), frameTables.newestIn("goodbye")]).toEqual([1, 1]);
  });
  it("have nothing to leave out in the newest, so nothing is done for the others where both sides are up to date", () => {
    expect(frameTables.trim).toBeNull();
  });
  it("where none is shared, an error says what each side speaks and which is to be upgraded", () => {
    const client = { name: "shop", versions: [1] };
    const broker = { name: "b1", versions: [3, 2] };
    const error = versionsUnsupported(client, broker);
    expect(error.message).toBe(
      'client "shop" speaks protocol version 1, broker "b1" versions 2, 3: upgrade the client',
    );
    expect([error.code, error.retryable, error.data]).toEqual([
      "VERSION_UNSUPPORTED",
      false,
      { client: [1], broker: [3, 2], upgrade: "client" },
    ]);
    expect(versionsUnsupported(broker, client).data["upgrade"]).toBe("broker");
    expect(versionsUnsupported({ name: "c", versions: [] }, broker).message).toContain("speaks protocol no version");
  });
});

/** A packet with this frame as it is, whatever the codec would make of it: in the binary codec as a map. */
function asSent(codec: Codec, frame: object): Uint8Array {
  if (codec.name === "json") return new TextEncoder().encode(JSON.stringify([frame]));
  const body = new Packr({ useRecords: false }).pack(frame);
  const packet = new Uint8Array(6 + body.length);
  packet.set([0x53, 0]);
  new DataView(packet.buffer).setUint32(2, body.length, true);
  packet.set(body, 6);
  return packet;
}
/** One packet of two. */
function joined(codec: Codec, first: Uint8Array, second: Uint8Array): Uint8Array {
  if (codec.name === "json") {
    const text = new TextDecoder();
    return new TextEncoder().encode(`${text.decode(first).slice(0, -1)},${text.decode(second).slice(1)}`);
  }
  return Uint8Array.of(...first, ...second.subarray(1));
}
