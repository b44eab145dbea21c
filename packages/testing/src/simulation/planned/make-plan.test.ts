import { describe, expect, it } from "vitest";
import { makePlan } from "./make-plan.ts";

const plans = Array.from({ length: 200 }, (_, index) => makePlan(index + 1));

describe("a plan", () => {
  it("leaves time for what there is to do when the faults are over, beside that for coming back from them (seed 20000489)", () => {
    const { topics, load, network, healWithinMs } = makePlan(20_000_489);
    const [source, target] = topics;
    expect([source?.groups[0]?.emitsTo, target?.queues, target?.groups[0]?.workMs]).toEqual(["topic-1", 1, 120]);
    // every message of the one topic is handled into the one queue of the other, and each takes half of the longest
    // there, and a turn on the network
    const each = 120 / 2 + 2 * network.delayMs + network.jitterMs;
    expect(healWithinMs).toBe(60_000 + load.messages * each);
  });
  it("leaves time for the leases that go with killed processes (seeds 42001408, 42002207)", () => {
    const { topics, load, healWithinMs } = makePlan(42_001_408);
    const [group] = topics[0]?.groups ?? [];
    expect([topics.length, group?.leaseTtlMs, group?.workMs]).toEqual([1, 6_000, 0]);
    expect(group?.killerRate).toBeGreaterThan(0);
    // at the worst one for each message of a queue
    const perQueue = Math.ceil(load.messages / (topics[0]?.queues ?? 1));
    expect(healWithinMs).toBeGreaterThanOrEqual(60_000 + perQueue * (6_000 + 1_500));
    const harmless = plans.filter((plan) =>
      plan.topics.every(({ groups }) => groups.every((each) => each.killerRate === 0)),
    );
    for (const plan of harmless) expect(plan.healWithinMs).toBeLessThan(240_000);
  });
  it("has a person deal with what a member has set aside and not heard of, in many of the runs", () => {
    const unheard = plans.map(({ orders }) => orders.filter(({ unheardBy }) => unheardBy !== undefined));
    const share = unheard.filter(({ length }) => length > 0).length / plans.length;
    expect(share).toBeGreaterThan(0.3);
    expect(share).toBeLessThan(0.5);
    for (const [index, orders] of unheard.entries())
      for (const { topic, group, unheardBy } of orders) {
        const consumer = plans[index]?.consumers.find(({ name }) => name === unheardBy);
        expect(consumer?.memberships).toContainEqual({ topic, group });
      }
  });
});
