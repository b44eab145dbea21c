import { batchAppend, laneOpen, memberJoin, NOTHING_SETTLED, packedMessage } from "@seriatim/rig";
import { expect } from "vitest";
import type { HostileCase } from "../hostile-case.fixture.ts";
import { many } from "../hostile-case.fixture.ts";

const MIB = 1024 * 1024;
const ofMember = { member: 7, queue: 0, epoch: 1 };
const aside = { topic: "jobs", group: "g", reason: "r" };

export const cases: readonly HostileCase[] = [
  {
    name: "what a client has no right to is FORBIDDEN, however much of it stands in one packet, and its link stays",
    topics: [{ name: "jobs", groups: ["g"] }],
    attack: async (target) => {
      const attacker = await target.attacker();
      const each = [
        laneOpen("jobs"),
        memberJoin("jobs", "g"),
        { type: "ask", question: { kind: "aside.list", topic: "jobs", group: "g", after: null, limit: 10 } },
        { type: "ask", question: { kind: "aside.retry", entry: "0:1", ...aside } },
        { type: "ask", question: { kind: "aside.redrive", key: "k", ...aside } },
      ];
      const frames = many(100, () => each).flat();
      attacker.say(...frames.map((frame) => ({ ...frame, request: attacker.next() })));
      await attacker.until(() => attacker.count("refused") === frames.length, "an answer to each");
      expect(attacker.count("FORBIDDEN")).toBe(frames.length);
    },
  },
  {
    name: "frames about lanes and members that are not there change nothing, and leave nothing behind",
    heapMiB: 256,
    attack: async (target) => {
      const attacker = await target.attacker();
      const each = [
        { type: "settle", ...ofMember, settle: 0, settlement: { ...NOTHING_SETTLED, ranges: [[0, 10]] } },
        { type: "credit", ...ofMember, messages: 2 ** 53 - 1, bytes: 2 ** 53 - 1 },
        { type: "lane.close", lane: 99 },
        { type: "member.leave", member: 7 },
      ];
      const packet = attacker.packet(many(250, () => each).flat());
      const before = await target.memory();
      for (let n = 0; n < 50; n++) attacker.link.send(packet.slice()); // a link takes the bytes for its own
      attacker.say({ type: "heartbeat", beat: 1, grantsSeen: 0, leases: [] });
      await attacker.until(() => attacker.count("heartbeat.answered") === 1, "the answer to what stands behind them");
      expect([...attacker.counts.keys()]).toEqual(["welcome", "heartbeat.answered"]);
      expect((await target.memory()) - before).toBeLessThan(16 * MIB);
    },
  },
  {
    name: "batches by the hundred megabytes, under an epoch that is not their lane's, are refused and leave nothing behind",
    may: [{ topic: "jobs" }],
    topics: [{ name: "jobs" }],
    heapMiB: 256,
    isHeavy: true,
    attack: async (target) => {
      const attacker = await target.attacker();
      const { epoch, expected } = await attacker.ask(laneOpen("jobs"));
      const packet = attacker.packet(
        many(16, (n) => batchAppend(epoch + 1, expected + n, { messages: packedMessage(60_000) })),
      );
      const before = await target.memory();
      for (let refused = 16; refused <= 1_600; refused += 16) {
        attacker.link.send(packet.slice());
        await attacker.until(() => attacker.count("batch.refused") === refused, "an answer to each");
      }
      expect(attacker.count("PRODUCER_FENCED")).toBe(1_600);
      expect((await target.memory()) - before).toBeLessThan(32 * MIB);
    },
  },
];
