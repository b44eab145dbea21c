// The frames of a session, one after the other as a client would send them.
import type { TestClient } from "../broker/broker.fixture.ts";
import { message } from "../queue/queue.fixture.ts";
import { below, pick, type Random } from "./fuzz-bytes.fixture.ts";

const SETTINGS = { exhausted: "park", attempts: 3, startAt: "earliest" } as const;
export const NOTHING = { ranges: [], redriven: [], tried: [], redrivenTried: [] };

/** Makes a frame, with what its client was told before. */
export type Make = (client: TestClient) => object;
/** A legal course of frames, a `hello` with this link number, for this version, first. */
export function legalCourse(random: Random, link: number, version: number): Make[] {
  const queue = below(random, 2);
  const given = (client: TestClient, type: "lane.opened" | "lease.granted") => client.all(type).at(-1)?.epoch ?? 1;
  const at = (client: TestClient) => ({ member: 1, queue, epoch: given(client, "lease.granted") });
  const instance = `i${below(random, 50)}`;
  const error = { name: "E", message: "m", code: null };
  const lane = { lane: 1, topic: "t", queue, producer: `p${below(random, 5)}`, routeVersion: 1 };
  return [
    () => ({ type: "hello", versions: [version], instance, link, client: "m", ordinal: null }),
    () => ({ type: "topic.find", request: 1, topic: "t" }),
    () => ({ type: "lane.open", request: 2, ...lane, epoch: null }),
    ...[0, 1, 2].map((n) => (client: TestClient) => ({
      type: "batch.append",
      lane: 1,
      epoch: given(client, "lane.opened"),
      sequence: (client.all("lane.opened").at(-1)?.expected ?? 0) + n,
      count: 1,
      durability: "memory",
      messages: message("k"),
    })),
    () => ({
      type: "member.join",
      request: 3,
      member: 1,
      topic: "t",
      group: pick(random, ["g", "h"]),
      name: `m${below(random, 3)}`,
      settings: SETTINGS,
      concurrency: 1,
      leaseTtlMs: 10_000,
      revokeTimeoutMs: 2_000,
      allocation: "sticky",
      invisibleMs: 5_000,
      retry: { initialMs: 100, factor: 2, maxMs: 1_000, jitter: 0 },
    }),
    () => ({ type: "lease.acquire", request: 4, member: 1, queue, resume: null }),
    (client) => ({ type: "credit", ...at(client), messages: 10, bytes: 10_000 }),
    (client) => ({ type: "settle", ...at(client), settle: 0, settlement: { ...NOTHING, ranges: [[0, 1]] } }),
    (client) => ({
      type: "settle",
      ...at(client),
      settle: 1,
      settlement: { ranges: [], redriven: [{ strand: 1, offset: 0 }], tried: [[1, 2]], redrivenTried: [] },
    }),
    (client) => {
      const put = {
        kind: pick(random, ["park", "dead-letter", "halt"] as const),
        offset: 1,
        key: "k",
        redriven: null,
      };
      return { type: "aside.put", request: 5, ...at(client), ...put, attempts: 3, error };
    },
    (client) => ({ type: "heartbeat", beat: 1, grantsSeen: 1, leases: [at(client)] }),
    (client) => ({ type: "lease.raise", request: 6, ...at(client) }),
    (client) => {
      const epochSeen = given(client, "lease.granted");
      const resume = {
        epoch: epochSeen,
        settle: NOTHING,
        inHand: [[0, 2]],
        redrivenInHand: [{ strand: 1, offset: 1 }],
      };
      return { type: "lease.acquire", request: 7, member: 1, queue, resume };
    },
    () => ({ type: "ask", request: 8, question: { kind: "account", topic: "t", group: "g" } }),
    () => ({ type: "ask", request: 9, question: { kind: "explain", topic: "t", key: "k" } }),
    () => ({
      type: "ask",
      request: 10,
      question: { kind: "aside.redrive", topic: "t", group: "g", key: "k", reason: "r" },
    }),
    (client) => ({ type: "lease.release", request: 11, ...at(client), settle: { ...NOTHING, ranges: [[0, 3]] } }),
    () => ({ type: "member.leave", member: 1 }),
    () => ({ type: "lane.close", lane: 1 }),
  ];
}
