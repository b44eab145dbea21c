// What an authorizer or an authenticator answers that is no clear yes is a no.

import { laneOpen, memberJoin } from "@seriatim/rig";
import { expect } from "vitest";
import type { HostileCase } from "../hostile-case.fixture.ts";

const UNCLEAR: readonly unknown[] = [Promise.resolve(false), Promise.resolve(true), "true", 1, {}, undefined, null];
const NOBODY: readonly unknown[] = [false, true, "mallory", 7, {}, { id: 7 }, { id: "" }, undefined, null];

export const cases: readonly HostileCase[] = [
  {
    name: "an authorizer that answers with anything but true opens nothing: no promise, text or number is a yes",
    topics: [{ name: "jobs" }],
    mayLog: /authoriz/,
    access: (usual) => {
      let asked = 0;
      return {
        ...usual,
        authorize: (principal, right) =>
          principal.id === "mallory"
            ? (UNCLEAR[asked++ % UNCLEAR.length] as boolean)
            : usual.authorize(principal, right),
      };
    },
    attack: async (target) => {
      const attacker = await target.attacker();
      for (const frame of [laneOpen("jobs"), memberJoin("jobs", "g"), { type: "topic.find", topic: "jobs" }])
        for (const _ of UNCLEAR) expect(["UNAVAILABLE", "FORBIDDEN"]).toContain(await attacker.outcome(frame));
      expect(attacker.end).toBeNull();
    },
  },
  {
    name: "an authenticator that answers with anything but a principal with a name lets nobody in",
    mayLog: /authenticat|principal/,
    access: (usual) => ({
      ...usual,
      authenticate: async (token, signal) => {
        const answer = /^odd-(\d)$/.exec(token ?? "");
        return answer === null ? await usual.authenticate(token, signal) : (NOBODY[Number(answer[1])] as null);
      },
    }),
    attack: async (target) => {
      for (const n of NOBODY.keys()) {
        const came = await target.attacker(`odd-${n}`).then(
          () => true,
          () => false,
        );
        expect([NOBODY[n], came]).toEqual([NOBODY[n], false]);
      }
    },
  },
];
