import fc from "fast-check";
import { NEVER } from "rxjs";
import { describe, expect, it } from "vitest";
import type { Link } from "../contracts/transport.ts";
import { packMessage } from "../message/packed.ts";
import { simulatedRuntime } from "../runtime/simulated-runtime.ts";
import { type BatcherSettings, FrameBatcher } from "./frame-batcher.ts";
import { frameBytes } from "./frame-bytes.ts";
import { anyFrame, anyFrames, asAsked, frames as frameOf, packedFields } from "./frames.fixture.ts";
import type { Deliver, Frame, ReadFrame, Redeliver } from "./frames.ts";
import { binaryCodec, type Codec, jsonCodec } from "./index.ts";
import { FRAMES_MAX } from "./violation.ts";

const cases = [binaryCodec, jsonCodec].map((codec) => ({ name: codec.name, codec }));

/** What goes out of a batcher when these frames are pushed in one turn. */
async function sent(codec: Codec, frames: readonly Frame[], settings: Partial<BatcherSettings>) {
  const packets: Uint8Array[] = [];
  const tooLarge: (readonly [type: Frame["type"], bytes: number])[] = [];
  const link = { frames$: NEVER, bufferedBytes: 0, send: (packet: Uint8Array) => void packets.push(packet) };
  const runtime = simulatedRuntime({ seed: 1 });
  const batcher = new FrameBatcher(link as unknown as Link, codec, runtime, {
    frameBytesMax: 1 << 20,
    peerBytesMax: 1 << 20,
    onFault: (error) => {
      throw error;
    },
    onTooLarge: ({ type }, bytes) => tooLarge.push([type, bytes]),
    ...settings,
  });
  for (const frame of frames) batcher.push(frame);
  await runtime.settle();
  return { packets, tooLarge };
}
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const isDelivery = (frame: Frame): frame is Deliver | Redeliver =>
  frame.type === "deliver" || frame.type === "redeliver";
/** What frames say, whether deliveries were divided or not. */
function said(frames: readonly Frame[]): unknown[] {
  interface Delivered {
    readonly of: string;
    messages: string;
    readonly tried: Set<string>;
  }
  const all: unknown[] = [];
  let last = null as Delivered | null;
  for (const frame of frames) {
    if (!isDelivery(frame)) {
      last = null;
      all.push(frame);
      continue;
    }
    const { type, member, queue, epoch } = frame;
    const of = [type, member, queue, epoch].join();
    if (last?.of !== of) {
      last = { of, messages: "", tried: new Set() };
      all.push(last);
    }
    if (frame.type === "redeliver") for (const { message } of frame.entries) last.messages += hex(message);
    else {
      for (const { messages } of frame.batches) last.messages += hex(messages);
      for (const tried of frame.tried) last.tried.add(tried.join());
    }
  }
  return all;
}
/** Whether nothing smaller could have been sent in its place. */
const isSingle = (frame: ReadFrame): boolean =>
  frame.type === "deliver" ? frame.batches.length <= 1 : frame.type === "redeliver" ? frame.entries.length <= 1 : true;

describe.each(cases)("what a batcher sends in the $name codec", ({ codec }) => {
  it("is all of it, in order, in packets that fit, but for a single frame that does not", async () => {
    await fc.assert(
      fc.asyncProperty(anyFrames, fc.integer({ min: 100, max: 5_000 }), async (frames, frameBytesMax) => {
        const { packets } = await sent(codec, frames, { frameBytesMax });
        const read = packets.map((packet) => codec.decode(packet));
        expect(said(asAsked(codec, read.flat(), frames))).toStrictEqual(said(frames));
        for (const [at, packet] of packets.entries()) {
          if (packet.length <= frameBytesMax) continue;
          expect(read[at]).toHaveLength(1);
          expect(read[at]?.every(isSingle)).toBe(true);
        }
      }),
      { numRuns: 150 },
    );
  });

  it("divides deliveries down to single messages, and attempts go with theirs", async () => {
    const batch = fc.tuple(fc.array(packedFields, { minLength: 1, maxLength: 6 }), fc.nat(1_000)).map(([all, gap]) => ({
      count: all.length,
      gap,
      messages: Uint8Array.from(all.flatMap((one) => [...packMessage(one)])),
    }));
    await fc.assert(
      fc.asyncProperty(fc.array(batch, { minLength: 1, maxLength: 6 }), frameOf.deliver, async (all, frame) => {
        let offset = 0;
        const batches = all.map(({ gap, count, messages }) => {
          const first = offset + gap;
          offset = first + count;
          return { offset: first, count, appendedAtMs: 1, messages } as unknown as Deliver["batches"][number];
        });
        const tried = batches.map(({ offset: at, count }) => [at + count - 1, 2, 1] as const);
        const { packets } = await sent(codec, [{ ...frame, batches, tried }], { frameBytesMax: 1 });
        const read = packets.flatMap((packet) => codec.decode(packet)) as Deliver[];
        const single = read.map((one) => {
          expect([one.batches.length, one.batches[0]?.count]).toEqual([1, 1]);
          for (const [at] of one.tried) expect(at).toBe(one.batches[0]?.offset);
          return one.batches[0]?.offset;
        });
        expect(single).toEqual(
          batches.flatMap(({ offset: at, count }) => Array.from({ length: count }, (_, n) => at + n)),
        );
        expect(read.flatMap((one) => one.tried)).toEqual(tried);
      }),
      { numRuns: 100 },
    );
  });

  it("is no frame that the other side would not take: whose it is hears of it", async () => {
    const frame: Frame = { type: "topic.find", request: 1, topic: "t".repeat(100) };
    const whole = codec.encode([frame]).length;
    const fits = await sent(codec, [frame], { frameBytesMax: 1, peerBytesMax: whole });
    expect([fits.packets.length, fits.tooLarge]).toEqual([1, []]);
    const { packets, tooLarge } = await sent(codec, [frame], { frameBytesMax: 1, peerBytesMax: whole - 1 });
    expect([packets, tooLarge]).toEqual([[], [["topic.find", whole]]]);
  });

  it("is in few packets where frames are small", async () => {
    const frames = Array.from({ length: 1_000 }, (_, lane): Frame => ({ type: "lane.close", lane }));
    expect((await sent(codec, frames, {})).packets).toHaveLength(1);
  });
  it("is no packet with more frames than one may hold", async () => {
    const frames = Array.from({ length: 3 * FRAMES_MAX }, (_, lane): Frame => ({ type: "lane.close", lane }));
    const { packets } = await sent(codec, frames, { frameBytesMax: 1 << 22, peerBytesMax: 1 << 22 });
    expect(packets.flatMap((packet) => codec.decode(packet))).toStrictEqual(frames);
  });
});

it("packets in JSON are measured, where what is in them was counted as much less", async () => {
  const topic = "\u0001".repeat(128); // six bytes each
  const frames = Array.from({ length: 200 }, (_, request): Frame => ({ type: "topic.find", request, topic }));
  const { packets } = await sent(jsonCodec, frames, { frameBytesMax: 4_000 });
  expect(packets.flatMap((packet) => jsonCodec.decode(packet))).toStrictEqual(frames);
  expect(Math.max(...packets.map(({ length }) => length))).toBeLessThanOrEqual(4_000);
});

describe("how many bytes a frame is counted as", () => {
  it("is never less than it takes in the binary codec, and not much more", () => {
    fc.assert(
      fc.property(anyFrame, (frame) => {
        const taken = binaryCodec.encode([frame]).length - 1;
        expect(frameBytes(frame)).toBeGreaterThanOrEqual(taken);
        expect(frameBytes(frame)).toBeLessThanOrEqual(taken * 3 + 300);
      }),
      { numRuns: 1_000 },
    );
  });
  it("is not less than a tenth of what it takes in the JSON codec", () => {
    fc.assert(
      fc.property(anyFrame, (frame) => {
        expect(frameBytes(frame) * 10).toBeGreaterThanOrEqual(jsonCodec.encode([frame]).length - 2);
      }),
      { numRuns: 1_000 },
    );
  });
  it("is counted no further than is asked for", () => {
    const queues = Array.from({ length: 10_000 }, (_, queue) => ({ queue, end: 5 }));
    const frame = { type: "answer", request: 1, answer: queues } as unknown as Frame;
    expect(frameBytes(frame, 1_000)).toBeLessThan(2_000);
    expect(frameBytes(frame)).toBeGreaterThan(100_000);
  });
});
