import type { WireError } from "../message/errors.ts";
import { PackedReader } from "../message/packed.ts";
import { TEXT_BYTES_MAX } from "./cut-texts.ts";
import { LIMITS } from "./field-checks.ts";
import type { Deliver, DeliveredBatch, Frame, Redeliver } from "./frames.ts";
import { ERROR_DATA_SENT_MAX } from "./sendable.ts";
import { DEPTH_MAX } from "./violation.ts";

/** Of a frame's own numbers, in the binary codec, and more. */
const HEAD_BYTES = 64;
/** An object or array counts as at least so many bytes: a packet may hold only so many of them. */
const CONTAINER_BYTES_MIN = 8;

/**
 * How many bytes a frame takes in the binary codec, at most and nearly; cheap. In the JSON codec it is up to ten times as many: names, digits and escapes come in addition.
 * `most`: counting ends above it.
 */
export function frameBytes(frame: Frame, most = Number.POSITIVE_INFINITY): number {
  switch (frame.type) {
    case "batch.append":
      return HEAD_BYTES + frame.messages.length;
    case "batch.appended":
      return HEAD_BYTES + frame.runs.length * 17;
    case "lane.kept":
    case "credit":
    case "settled":
      return HEAD_BYTES;
    case "deliver": {
      let bytes = HEAD_BYTES + frame.tried.length * 24;
      for (const { messages } of frame.batches) bytes += messages.length + 32;
      return bytes;
    }
    case "redeliver": {
      let bytes = HEAD_BYTES;
      for (const { message } of frame.entries) bytes += message.length + 48;
      return bytes;
    }
    case "settle": {
      const { ranges, redriven, tried, redrivenTried } = frame.settlement;
      return HEAD_BYTES + (ranges.length + redriven.length + tried.length) * 16 + redrivenTried.length * 24;
    }
    case "heartbeat":
      return HEAD_BYTES + frame.leases.length * 24;
    case "heartbeat.answered":
      return HEAD_BYTES + (frame.renewed.length + frame.ended.length) * 32;
    case "goodbye":
    case "refused":
    case "batch.refused":
    case "settle.refused":
      return HEAD_BYTES * 2 + (frame.error === null ? 0 : errorBytes(frame.error));
    default:
      // as a map: a code and a length come first; no frame counts less, since a packet may hold only so many
      return Math.max(HEAD_BYTES, 5 + plainBytes(frame, most));
  }
}
/** Its data may be anything, also what is left out when it is sent (`sendable`). */
function errorBytes({ message, data }: WireError): number {
  const bytes = HEAD_BYTES + Math.min(3 * message.length, TEXT_BYTES_MAX);
  try {
    return bytes + plainBytes(data, ERROR_DATA_SENT_MAX);
  } catch {
    return bytes; // a getter of it threw
  }
}

/** How many bytes a value takes as MessagePack, at most and nearly. `most`: counting ends above it. */
export function plainBytes(value: unknown, most = Number.POSITIVE_INFINITY, depth = 0): number {
  if (typeof value === "string") return textBytes(value, most);
  if (typeof value === "number") return numberBytes(value);
  if (typeof value !== "object" || value === null) return 1;
  if (value instanceof Uint8Array) return 5 + value.length;
  if (depth >= DEPTH_MAX) return CONTAINER_BYTES_MIN;
  let bytes = 5;
  if (Array.isArray(value)) {
    for (let at = 0; at < value.length && bytes <= most; at++) bytes += plainBytes(value[at], most - bytes, depth + 1);
  } else {
    for (const name of Object.keys(value)) {
      if (bytes > most) break;
      bytes += textBytes(name, most);
      bytes += plainBytes((value as Readonly<Record<string, unknown>>)[name], most - bytes, depth + 1);
    }
  }
  return Math.max(bytes, CONTAINER_BYTES_MIN);
}
const numberBytes = (value: number): number => {
  if (value >>> 0 !== value) return 9;
  return value < 0x80 ? 1 : value < 0x1_0000 ? 3 : 5;
};
function textBytes(text: string, most: number): number {
  // what is beyond ASCII takes two or three bytes a unit
  let bytes = text.length + (text.length < 32 ? 1 : 5);
  if (bytes > most) return bytes;
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    if (unit > 0x7f) bytes += unit > 0x7ff ? 2 : 1;
  }
  return text.length < 32 && bytes > 32 ? bytes + 4 : bytes;
}

/** What a frame holds beside messages, at most: numbers and, in JSON, the escapes of keys and ids. */
const AROUND_BYTES = { binary: 1_024, json: 32 * 1_024 } as const;
/** How many times as large packed messages are in a codec's frame, at most: in JSON each has names around it, and one alone is base64 at worst. */
const GROWTH = { binary: { one: 1, many: 1 }, json: { one: 4 / 3, many: 12 } } as const;
/** Packed bytes of one message, and of many, that a frame of this codec holds for sure. */
export function packedBytesMax(codec: "binary" | "json", frameBytesMax: number): { one: number; many: number } {
  const left = Math.max(0, frameBytesMax - AROUND_BYTES[codec]);
  const { one, many } = GROWTH[codec];
  return { one: Math.floor(left / one), many: Math.floor(left / many) };
}

/** Bytes of a lease in a heartbeat, at most. */
const LEASE_BYTES = { binary: 24, json: 80 } as const;
/** Leases that a heartbeat in this codec lists for sure. */
export const leasesMax = (codec: "binary" | "json", frameBytesMax: number): number =>
  Math.min(LIMITS.leases, Math.floor(Math.max(0, frameBytesMax - AROUND_BYTES.binary) / LEASE_BYTES[codec]));

/** Frames that say together what this one says, in order; `null` where it cannot be divided. */
export function divided(frame: Frame): readonly Frame[] | null {
  if (frame.type === "deliver") return dividedDeliver(frame);
  if (frame.type === "redeliver" && frame.entries.length > 1) {
    const half = frame.entries.length >>> 1;
    return [frame.entries.slice(0, half), frame.entries.slice(half)].map(
      (entries): Redeliver => ({ ...frame, entries }),
    );
  }
  return null;
}
function dividedDeliver(frame: Deliver): readonly Deliver[] | null {
  const [only, ...others] = frame.batches;
  if (only === undefined) return null;
  const half = frame.batches.length >>> 1;
  const halves =
    others.length > 0
      ? [frame.batches.slice(0, half), frame.batches.slice(half)]
      : dividedBatch(only)?.map((one) => [one]);
  const [, second] = halves ?? [];
  const from = second?.[0]?.offset;
  if (halves === undefined || from === undefined) return null;
  return halves.map((batches, at) => ({
    ...frame,
    batches,
    tried: frame.tried.filter(([offset]) => offset >= from === (at === 1)),
  }));
}
function dividedBatch(batch: DeliveredBatch): readonly DeliveredBatch[] | null {
  if (batch.count < 2) return null;
  const reader = new PackedReader(batch.messages);
  const count = Math.floor(batch.count / 2);
  try {
    for (let at = 0; at < count; at++) if (!reader.next()) return null;
  } catch {
    return null; // no messages that anybody could read
  }
  return [
    { ...batch, count, messages: batch.messages.subarray(0, reader.end) },
    {
      ...batch,
      offset: (batch.offset + count) as typeof batch.offset,
      count: batch.count - count,
      messages: batch.messages.subarray(reader.end),
    },
  ];
}
