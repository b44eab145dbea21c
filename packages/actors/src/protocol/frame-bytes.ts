import { LIMITS } from "./field-checks.ts";
import { definitionOf, FRAME_TYPES, type Frame, type FrameType } from "./frames.ts";
import { HEAD_BYTES, plainBytes } from "./plain-bytes.ts";

/** Of the frames that are counted in a way of their own. One look-up: frames are counted as often as they are sent. */
const COUNTED = new Map<FrameType, (frame: Frame) => number>(
  FRAME_TYPES.flatMap((type) => {
    const { bytes } = definitionOf(type);
    return bytes === undefined ? [] : [[type, bytes]];
  }),
);

/**
 * How many bytes a frame takes in the binary codec, at most and nearly; cheap. In the JSON codec it is up to ten
 * times as many: names, digits and escapes come in addition. `most`: counting ends above it.
 */
export function frameBytes(frame: Frame, most = Number.POSITIVE_INFINITY): number {
  const counted = COUNTED.get(frame.type);
  if (counted !== undefined) return counted(frame);
  // as a map: a code and a length come first; no frame counts less, since a packet may hold only so many
  return Math.max(HEAD_BYTES, 5 + plainBytes(frame, most));
}
/** Frames that say together what this one says, in order; `null` where it cannot be divided. */
export const divided = (frame: Frame): readonly Frame[] | null => definitionOf(frame.type)?.divided?.(frame) ?? null;

/** What a frame holds beside messages, at most: numbers and, in JSON, the escapes of keys and ids. */
const AROUND_BYTES = { binary: 1_024, json: 32 * 1_024 } as const;
/**
 * How many times as large packed messages are in a codec's frame, at most: in JSON each has names around it, and one
 * alone is base64 at worst.
 */
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
