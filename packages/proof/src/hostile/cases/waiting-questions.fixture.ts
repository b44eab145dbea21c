import { memberJoin } from "@seriatim/rig";
import { expect } from "vitest";
import type { HostileCase } from "../hostile-case.fixture.ts";
import { many } from "../hostile-case.fixture.ts";

export const cases: readonly HostileCase[] = [
  {
    name: "of questions that wait for a cursor that never comes, those above a bound are refused, and the link stays",
    may: [{}],
    topics: [{ name: "jobs" }],
    attack: async (target) => {
      const attacker = await target.attacker();
      expect(await attacker.outcome(memberJoin("jobs", "g"))).toBe("member.joined");
      const question = { kind: "reached", topic: "jobs", group: "g", ends: [{ queue: 0, end: 2 ** 50 }] };
      attacker.say(...many(2_000, () => ({ type: "ask", request: attacker.next(), question })));
      await attacker.until(() => attacker.count("refused") >= 1_000, "refusals");
      expect(attacker.count("LIMIT_EXCEEDED")).toBe(attacker.count("refused"));
      expect(await attacker.outcome({ type: "topic.find", topic: "jobs" })).toBe("topic.found");
    },
  },
];
