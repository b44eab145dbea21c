import type { WireError } from "../message/errors.ts";
import { TEXT_BYTES_MAX } from "./cut-texts.ts";
import { DEPTH_MAX, ERROR_DATA_SENT_MAX } from "./violation.ts";

/** Of a frame's own numbers, in the binary codec, and more. */
export const HEAD_BYTES = 64;
/** An object or array counts as at least so many bytes: a packet may hold only so many of them. */
const CONTAINER_BYTES_MIN = 8;

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

/**
 * The same of a frame that tells of an error, whose data may be anything, also what is left out when it is sent
 * (`sendable`).
 */
export function errorFrameBytes({ error }: { readonly error: WireError | null }): number {
  if (error === null) return HEAD_BYTES * 2;
  const bytes = HEAD_BYTES * 3 + Math.min(3 * error.message.length, TEXT_BYTES_MAX);
  try {
    return bytes + plainBytes(error.data, ERROR_DATA_SENT_MAX);
  } catch {
    return bytes; // a getter of it threw
  }
}
