import { expect } from "vitest";
import type { HostileCase } from "../hostile-case.fixture.ts";
import { many } from "../hostile-case.fixture.ts";

const GROUPS = many(12, (n) => `group-${n}`);

export const cases: readonly HostileCase[] = [
  {
    name: "six descriptions of 12 groups on 1,024 queues, asked for at once by an ordinary client, all come, whole, on one link",
    may: [{}],
    topics: [{ name: "wide", queues: 1_024, groups: GROUPS }],
    attack: async (target) => {
      const { client, links } = await target.client();
      for (const { topics } of await Promise.all(many(6, () => client.describe()))) {
        const wide = topics.find(({ topic }) => topic === "wide");
        expect(wide?.groups.map(({ group, queues }) => `${group} ${queues.length}`)).toEqual(
          GROUPS.map((group) => `${group} 1024`),
        );
      }
      expect(links.count).toBe(1);
    },
  },
];
