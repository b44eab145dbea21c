import { expect } from "vitest";
import type { HostileCase } from "../hostile-case.fixture.ts";
import { many } from "../hostile-case.fixture.ts";

const beat = (n: number) => ({ type: "heartbeat", beat: n % 100, grantsSeen: 0, leases: [] });

export const cases: readonly HostileCase[] = [
  {
    name: "a packet as full of heartbeats as one can be ends its link, and nothing stands still for it",
    attack: async (target) => {
      const attacker = await target.attacker();
      attacker.link.send(attacker.packet(many(target.codec.name === "binary" ? 1_040_000 : 70_000, beat)));
      expect((await attacker.ended()).code).toBe("violation");
      expect(attacker.goodbye).toBe("PROTOCOL_VIOLATION");
      expect(attacker.count("heartbeat.answered")).toBeLessThan(1_000); // once a slice
    },
  },
  {
    name: "25,000 finds, packets full of them, are worked off in slices: another link's heartbeats are answered in between",
    may: [{ topic: "jobs" }],
    topics: [{ name: "jobs", queues: 64 }],
    isHeavy: true,
    attack: async (target) => {
      const attacker = await target.attacker();
      const full = Math.floor(25_000 / 4);
      const packets = many(4, () =>
        attacker.packet(many(full, () => ({ type: "topic.find", request: attacker.next(), topic: "jobs" }))),
      );
      const { worstShare, beats } = await target.beside(async () => {
        for (const packet of packets) attacker.link.send(packet);
        // some are refused, since their answers are not read in time: an answer they all have
        const answered = () => attacker.count("topic.found") + attacker.count("LIMIT_EXCEEDED");
        await attacker.until(() => answered() === 4 * full, "all answers");
      });
      expect(worstShare).toBeLessThan(0.3);
      expect(beats).toBeGreaterThan(5);
      expect(attacker.end).toBeNull();
    },
  },
];
