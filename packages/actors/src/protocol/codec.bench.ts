// npx vitest bench --project unit packages/actors/src/protocol: packets per second; a packet holds 64 messages of 200
// bytes.
import { bench, describe } from "vitest";
import { epoch, offset, sequence } from "../message/brands.ts";
import { concatBytes, PackedReader, packMessage } from "../message/packed.ts";
import { slotOf } from "../message/route.ts";
import type { Frame } from "./frames.ts";
import { binaryCodec, jsonCodec } from "./index.ts";

const MESSAGES = 64;
const key = "customer-12345";
const message = packMessage({
  key,
  slot: slotOf(key),
  id: "0123456789abcdef",
  headers: null,
  dueMs: null,
  encoding: "json",
  body: new TextEncoder().encode(JSON.stringify({ text: "x".repeat(147) })),
});
const messages = concatBytes(Array.from({ length: MESSAGES }, () => message));
const FRAMES: readonly Frame[] = [
  {
    type: "batch.append",
    lane: 3,
    epoch: epoch(1_763_800_000),
    sequence: sequence(123_456),
    count: MESSAGES,
    durability: "flushed",
    messages,
  },
  {
    type: "deliver",
    member: 3,
    queue: 5,
    epoch: epoch(1_763_800_000),
    batches: [{ offset: offset(12_345_678), count: MESSAGES, appendedAtMs: 1_763_800_000_123, messages }],
    tried: [],
  },
];

for (const codec of [binaryCodec, jsonCodec])
  for (const frame of FRAMES)
    describe(`${codec.name} ${frame.type}, ${MESSAGES} × ${message.length} bytes`, () => {
      const packet = codec.encode([frame]);
      bench("encode", () => void codec.encode([frame]));
      bench("decode", () => void codec.decode(packet));
      bench("encode and decode", () => void codec.decode(codec.encode([frame])));
    });

describe(`${MESSAGES} packed messages`, () => {
  bench("walk", () => {
    const reader = new PackedReader(messages);
    while (reader.next());
  });
  bench("walk, with key and body", () => {
    const reader = new PackedReader(messages);
    while (reader.next()) {
      void reader.key;
      void reader.body;
    }
  });
});
