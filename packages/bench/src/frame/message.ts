/**
 * One message of a load: which key, its number within the key,
 * and when its send was called (ms, wall clock with fractions; 0 where nobody asks).
 */
export interface Message {
  readonly key: number;
  readonly n: number;
  readonly sentAtMs: number;
}
/**
 * A message to be sent. It is another one once it was settled, so a system must not look at it then, nor at its body.
 */
export interface Outgoing extends Message {
  readonly body: Uint8Array;
  /** The same bytes, for clients that ask for a Buffer. */
  readonly buffer: Buffer;
  /** It is acknowledged (in one process: accepted or handled). */
  readonly acknowledged: () => void;
  readonly failed: (error: unknown) => void;
}
/**
 * A body starts with key (4 bytes), number (4) and time of sending (8,
 * as this machine lays a number out: all processes of a run are on it).
 */
export const BODY_BYTES_MIN = 16;

const TIME_BYTES = 8;
const time = new Float64Array(1);
const bytesOfTime = new Uint8Array(time.buffer);

/** Byte by byte: a DataView for each message would cost more than all of this. */
export function stampBody(body: Uint8Array, { key, n, sentAtMs }: Message): void {
  body[0] = key >>> 24;
  body[1] = key >>> 16;
  body[2] = key >>> 8;
  body[3] = key;
  body[4] = n >>> 24;
  body[5] = n >>> 16;
  body[6] = n >>> 8;
  body[7] = n;
  time[0] = sentAtMs;
  for (let at = 0; at < TIME_BYTES; at++) body[8 + at] = bytesOfTime[at]!;
}
/** @param body may be a part of a larger buffer */
export function readBody(body: Uint8Array): Message {
  const key = ((body[0]! << 24) | (body[1]! << 16) | (body[2]! << 8) | body[3]!) >>> 0;
  const n = ((body[4]! << 24) | (body[5]! << 16) | (body[6]! << 8) | body[7]!) >>> 0;
  for (let at = 0; at < TIME_BYTES; at++) bytesOfTime[at] = body[8 + at]!;
  return { key, n, sentAtMs: time[0]! };
}
/** For systems whose payload is JSON. */
export interface JsonMessage extends Message {
  readonly text: string;
}
/** Text that, with the facts of a message, comes to about as many bytes. */
export const jsonText = (bytes: number): string => "x".repeat(Math.max(0, bytes - JSON_FACTS_BYTES));
const JSON_FACTS_BYTES = 60;

const ORIGIN_MS = performance.timeOrigin;
/** Wall clock with fractions: all processes of a run are on one machine. */
export const nowMs = (): number => ORIGIN_MS + performance.now();
