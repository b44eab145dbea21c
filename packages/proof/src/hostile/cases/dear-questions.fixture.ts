// A few bytes that once cost the broker its memory, or its time.

import { batchAppend, laneOpen, memberJoin, NOTHING_SETTLED, packedMessage } from "@seriatim/rig";
import { expect } from "vitest";
import type { Attacker } from "../attacker.fixture.ts";
import type { HostileCase } from "../hostile-case.fixture.ts";
import { many } from "../hostile-case.fixture.ts";
import type { Target } from "../target.fixture.ts";

const MIB = 1024 * 1024;
const KEY = "hot";
const GROUPS = ["a", "b", "c", "d"];

/** So many messages of one key, in queue 0. */
async function fill(target: Target, topic: string, messages: number, bodyBytes = 200): Promise<void> {
  const owner = await target.attacker("owner");
  const { epoch, expected } = await owner.ask(laneOpen(topic, { producer: "owner" }));
  const perBatch = 100;
  const batch = new Uint8Array(many(perBatch, () => [...packedMessage(bodyBytes, KEY)]).flat());
  for (let n = 0; n < messages; n += perBatch) {
    owner.say(batchAppend(epoch, expected + n, { count: perBatch, messages: batch }));
    await owner.until(() => owner.count("batch.appended") === n / perBatch + 1, "a receipt");
  }
  owner.link.close();
}
/** Joins, takes the lease of queue 0 and has messages delivered. */
async function holds(attacker: Attacker, topic: string, messages: number): Promise<number> {
  await attacker.ask(memberJoin(topic, "own"));
  await attacker.find(({ type }) => type === "lease.offered", "an offer");
  const { epoch } = await attacker.ask({ type: "lease.acquire", member: 1, queue: 0, resume: null });
  attacker.say({ type: "credit", member: 1, queue: 0, epoch, messages, bytes: 100 * MIB });
  await attacker.find(({ type }) => type === "deliver", "a delivery");
  return epoch;
}

export const cases: readonly HostileCase[] = [
  ...[false, true].map(
    (mayDoAll): HostileCase => ({
      name: `1,000 explains of a key with 10,000 messages in four groups, in one packet, from ${mayDoAll ? "who may do everything" : "who may do nothing"}, pass with a heap of 256 MiB`,
      may: mayDoAll ? [{}] : [],
      topics: [{ name: "jobs", groups: GROUPS }],
      heapMiB: 256,
      ...(mayDoAll ? { isHeavy: true } : {}),
      attack: async (target) => {
        await fill(target, "jobs", 10_000);
        const attacker = await target.attacker();
        const question = { kind: "explain", topic: "jobs", key: KEY };
        attacker.say(...many(1_000, () => ({ type: "ask", question, request: attacker.next() })));
        await attacker.until(() => attacker.count("answer") + attacker.count("refused") === 1_000, "an answer to each");
        if (mayDoAll) expect(attacker.count("answer")).toBeGreaterThan(0);
        else expect(attacker.count("FORBIDDEN")).toBe(1_000);
      },
    }),
  ),
  {
    name: "250 questions that wait, each for 4,096 ends, leave the broker its memory",
    may: [{}],
    topics: [{ name: "jobs", groups: ["a"] }],
    heapMiB: 256,
    isHeavy: true,
    attack: async (target) => {
      const attacker = await target.attacker();
      const before = await target.memory();
      const ends = many(4_096, (n) => ({ queue: 0, end: 2 ** 50 + n }));
      const question = { kind: "reached", topic: "jobs", group: "a", ends };
      for (let n = 0; n < 250; n++) attacker.say({ type: "ask", question, request: attacker.next() });
      expect(await attacker.outcome({ type: "topic.find", topic: "jobs" })).toBe("topic.found");
      expect((await target.memory()) - before).toBeLessThan(128 * MIB);
    },
  },
  {
    name: "a settle with 10,001 ranges that overlap is read by nobody: it ends its link",
    may: [{ topic: "jobs" }],
    topics: [{ name: "jobs", ordered: false }],
    attack: async (target) => {
      await fill(target, "jobs", 1_000, 1);
      const attacker = await target.attacker();
      await attacker.ask(memberJoin("jobs", "own"));
      attacker.say({ type: "credit", member: 1, queue: 0, epoch: 0, messages: 1_000, bytes: 100 * MIB });
      await attacker.find(({ type }) => type === "deliver", "a delivery");
      const settlement = { ...NOTHING_SETTLED, ranges: many(10_001, () => [0, 1_000]) };
      attacker.say({ type: "settle", member: 1, queue: 0, epoch: 0, settle: 0, settlement });
      expect((await attacker.ended()).code).toBe("violation");
      expect(attacker.goodbye).toBe("PROTOCOL_VIOLATION");
    },
  },
  {
    name: "settles of what is settled already change nothing and store nothing",
    may: [{ topic: "jobs" }],
    topics: [{ name: "jobs" }],
    attack: async (target) => {
      await fill(target, "jobs", 100, 1);
      const attacker = await target.attacker();
      const epoch = await holds(attacker, "jobs", 100);
      const settle = (n: number) => ({
        type: "settle",
        member: 1,
        queue: 0,
        epoch,
        settle: n,
        settlement: { ...NOTHING_SETTLED, ranges: [[0, 100]] },
      });
      attacker.say(settle(0));
      const { revision } = await attacker.find(({ type }) => type === "settled", "an answer");
      attacker.say(...many(1_000, (n) => settle(n + 1)));
      await attacker.until(() => attacker.count("settled") === 1_001, "an answer to each");
      const revisions = attacker.heard.filter(({ type }) => type === "settled").map((heard) => heard["revision"]);
      expect(revisions.filter((each) => each !== revision)).toHaveLength(0);
    },
  },
];
