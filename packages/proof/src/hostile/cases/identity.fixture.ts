import { batchAppend, laneOpen, memberJoin, NOTHING_SETTLED } from "@seriatim/rig";
import { expect } from "vitest";
import type { Attacker } from "../attacker.fixture.ts";
import type { HostileCase } from "../hostile-case.fixture.ts";

const may = [{ topic: "jobs" }];
const topics = [{ name: "jobs", queues: 2 }];
const LINKS = 10_100;
const LINKS_AT_ONCE = 100;

/** Whose things are tried: it may do what mallory may. */
const VICTIM = "alice";
const HERS = { instance: "instance-of-alice" };
const payments = { producer: "payments" };
const heartbeat = (...leases: readonly object[]) => ({ type: "heartbeat", beat: 1, grantsSeen: 1e9, leases });

/** A member with its lease of queue 0. */
async function holder(victim: Attacker, group: string): Promise<number> {
  await victim.ask(memberJoin("jobs", group, { name: "worker" }));
  const granted = await victim.ask({ type: "lease.acquire", member: 1, queue: 0, resume: null });
  return granted["epoch"] as number;
}
/** All that a client can say about another's lease, under whatever name it has: what each was answered with. */
async function tryLease(thief: Attacker, group: string, epoch: number): Promise<string[]> {
  const lease = { member: 1, queue: 0, epoch };
  const name = await thief.outcome(memberJoin("jobs", group, { name: "worker" }));
  expect(await thief.outcome(memberJoin("jobs", group, { name: "thief" }))).toBe("member.joined");
  thief.say(heartbeat());
  thief.say(heartbeat(lease));
  const resume = { epoch, inHand: [], redrivenInHand: [], settle: NOTHING_SETTLED };
  const answers = [name];
  for (const frame of [
    { type: "lease.acquire", member: 1, queue: 0, resume },
    { type: "lease.acquire", member: 1, queue: 0, resume: null },
    { type: "lease.raise", ...lease },
    { type: "lease.release", ...lease, settle: NOTHING_SETTLED },
  ])
    answers.push(await thief.outcome(frame));
  const renewed = thief.heard.flatMap((heard) => (heard.type === "heartbeat.answered" ? heard["renewed"] : []));
  expect(renewed).toEqual([]);
  return answers;
}
const REFUSALS = ["NAME_IN_USE", "STALE_EPOCH", "LEASE_HELD", "STALE_EPOCH", "STALE_EPOCH"];

export const cases: readonly HostileCase[] = [
  {
    name: "a producer's name is not another's to take, at any queue or epoch, also after a restart: the rightful one is not fenced",
    may,
    topics,
    store: "lmdb",
    attack: async (target) => {
      const victim = await target.attacker(VICTIM);
      const { epoch, expected } = await victim.ask(laneOpen("jobs", payments));
      const tries = async () => {
        const thief = await target.attacker("mallory", HERS);
        const frames = [{}, { queue: 1 }, { epoch }, { lane: 2 }].map((more) =>
          laneOpen("jobs", { ...payments, ...more }),
        );
        for (const frame of frames) {
          const refused = await thief.ask(frame);
          expect(refused["error"]).toMatchObject({
            code: "NAME_IN_USE",
            data: { name: "payments", principal: "mallory" },
          });
          expect(JSON.stringify(refused)).not.toContain(VICTIM);
        }
        thief.link.abort();
      };
      await tries();
      victim.say(batchAppend(epoch, expected, { durability: "synced" }));
      await victim.until(() => victim.count("batch.appended") === 1, "its receipt");
      await target.restart();
      await tries();
      const again = await target.attacker(VICTIM);
      const anew = await again.ask(laneOpen("jobs", payments));
      again.say(batchAppend(anew["epoch"], anew["expected"], { durability: "synced" }));
      await again.until(() => again.count("batch.appended") === 1, "its receipt");
    },
  },
  {
    name: "a member's name is not another's to take while its consumer is linked, away, or known from before a restart",
    may,
    topics,
    store: "lmdb",
    attack: async (target) => {
      const join = memberJoin("jobs", "g", { name: "worker" });
      const victim = await target.attacker(VICTIM);
      expect(await victim.outcome(join)).toBe("member.joined");
      const thief = await target.attacker();
      expect(await thief.outcome(join)).toBe("NAME_IN_USE");
      victim.link.abort();
      await victim.ended();
      for (let n = 0; n < 10; n++) expect(await thief.outcome(join)).toBe("NAME_IN_USE");
      await target.restart();
      expect(await (await target.attacker()).outcome(join)).toBe("NAME_IN_USE");
      const again = await target.attacker(VICTIM);
      expect(await again.outcome(join)).toBe("member.joined");
      again.say({ type: "member.leave", member: 1 }); // for good: now it is free
      await again.outcome({ type: "topic.find", topic: "jobs" });
      expect(await (await target.attacker()).outcome(join)).toBe("member.joined");
    },
  },
  {
    name: "an instance that another shows, linked, away or after a restart, has nothing of the first: its lease is not resumed, renewed, released or taken",
    may,
    topics,
    attack: async (target) => {
      const victim = await target.attacker(VICTIM, HERS);
      const epoch = await holder(victim, "g");
      const beside = await target.attacker("mallory", { ...HERS, link: 1e9 });
      expect(await tryLease(beside, "g", epoch)).toEqual(REFUSALS);
      victim.say(heartbeat({ member: 1, queue: 0, epoch }));
      const { renewed } = (await victim.find(({ type }) => type === "heartbeat.answered", "the renewal")) as never;
      expect(renewed).toHaveLength(1);
      victim.link.abort();
      await victim.ended();
      const meanwhile = await target.attacker("mallory", { ...HERS, link: 2e9 });
      expect(await tryLease(meanwhile, "g", epoch)).toEqual(REFUSALS);
      await target.restart();
      const quarantined = await target.attacker("mallory", HERS);
      expect(await tryLease(quarantined, "g", epoch)).toEqual(REFUSALS);
      const again = await target.attacker(VICTIM, { ...HERS, link: 2 });
      expect(await holder(again, "g")).toBe(epoch + 1);
    },
  },
  {
    name: "10,000 other links flush nothing of an instance: neither its link number nor its lease",
    may,
    topics,
    isHeavy: true,
    attack: async (target) => {
      const victim = await target.attacker(VICTIM, { ...HERS, link: 5 });
      const epoch = await holder(victim, "g");
      const idle = await target.attacker(VICTIM, { instance: "idle", link: 5 });
      idle.link.abort();
      for (let links = 0; links < LINKS; links += LINKS_AT_ONCE) {
        const others = await Promise.all(Array.from({ length: LINKS_AT_ONCE }, () => target.attacker()));
        for (const { link } of others) link.abort();
        victim.say(heartbeat({ member: 1, queue: 0, epoch }));
      }
      victim.link.abort();
      await victim.ended();
      const thief = await target.attacker("mallory", { ...HERS, link: 1e9 });
      expect(await tryLease(thief, "g", epoch)).toEqual(REFUSALS);
      for (const instance of [HERS.instance, "idle"]) {
        const older = await target.dial(VICTIM);
        await expect(older.hello({ instance, link: 4 })).resolves.toBeUndefined();
        expect([older.goodbye, older.count("welcome")]).toEqual(["PROTOCOL_VIOLATION", 0]);
      }
      const back = await target.attacker(VICTIM, { ...HERS, link: 6 });
      await back.ask(memberJoin("jobs", "g", { name: "worker" }));
      const resume = { epoch, inHand: [], redrivenInHand: [], settle: NOTHING_SETTLED };
      expect(await back.outcome({ type: "lease.acquire", member: 1, queue: 0, resume })).toBe("lease.granted");
    },
  },
];
