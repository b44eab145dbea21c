// Legal frames of a client, for tests to change and send. Numbers of lanes and members are 1 unless said otherwise.
export const NOTHING_SETTLED = { ranges: [], redriven: [], tried: [], redrivenTried: [] };

export const laneOpen = (topic: string, more: object = {}) => ({
  type: "lane.open",
  lane: 1,
  topic,
  queue: 0,
  producer: "mallory",
  epoch: null,
  routeVersion: 1,
  ...more,
});
/** One message under this epoch of a lane. */
export const batchAppend = (epoch: number, sequence: number, more: object = {}) => ({
  type: "batch.append",
  lane: 1,
  epoch,
  sequence,
  count: 1,
  durability: "memory",
  messages: packedMessage(),
  ...more,
});
export const memberJoin = (topic: string, group: string, more: object = {}) => ({
  type: "member.join",
  member: 1,
  topic,
  group,
  name: "mallory",
  settings: { exhausted: "park", attempts: 3, startAt: "earliest" },
  concurrency: 1,
  leaseTtlMs: 20_000,
  revokeTimeoutMs: 2_000,
  allocation: "sticky",
  invisibleMs: 5_000,
  retry: { initialMs: 100, factor: 2, maxMs: 1_000, jitter: 0 },
  ...more,
});
/** A packed message without a key, or with this one (whose slot is a lie), in the layout of `packed.ts`. */
export function packedMessage(bodyBytes = 1, key: string | null = null): Uint8Array {
  const keyBytes = new TextEncoder().encode(key ?? "");
  const head = key === null ? 8 : 10 + keyBytes.length;
  const bytes = new Uint8Array(head + bodyBytes);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, bytes.length, true);
  bytes[4] = key === null ? 0 : 1;
  bytes[5] = 2;
  view.setUint16(6, key === null ? 0xffff : 0, true);
  if (key !== null) {
    view.setUint16(8, keyBytes.length, true);
    bytes.set(keyBytes, 10);
  }
  return bytes;
}
