/** One message of a load: which key, its number within the key, and when its send was called (ms, wall clock with fractions). */
export interface Message {
  readonly key: number;
  readonly n: number;
  readonly sentAtMs: number;
}
/** A body starts with key (4 bytes), number (4) and time of sending (8). */
export const BODY_BYTES_MIN = 16;

export function packBody(message: Message, bytes: number): Uint8Array {
  const body = new Uint8Array(bytes);
  const view = new DataView(body.buffer);
  view.setUint32(0, message.key);
  view.setUint32(4, message.n);
  view.setFloat64(8, message.sentAtMs);
  return body;
}
/** @param body may be a part of a larger buffer */
export function readBody(body: Uint8Array): Message {
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  return { key: view.getUint32(0), n: view.getUint32(4), sentAtMs: view.getFloat64(8) };
}
/** For systems whose payload is JSON: the same facts, and text that brings it to about as many bytes. */
export function jsonBody(message: Message, bytes: number): Message & { readonly text: string } {
  return { ...message, text: "x".repeat(Math.max(0, bytes - JSON_FACTS_BYTES)) };
}
const JSON_FACTS_BYTES = 60;

/** Wall clock with fractions: all processes of a run are on one machine. */
export const nowMs = (): number => performance.timeOrigin + performance.now();
