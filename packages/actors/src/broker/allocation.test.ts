import { describe, expect, it } from "vitest";
import { ALLOCATIONS } from "../contracts/allocation.ts";
import { cpuTime } from "../runtime/cpu-time.fixture.ts";
import { allocate } from "./allocation.ts";

const queues = Array.from({ length: 64 }, (_, queue) => queue);
const names = (count: number) => Array.from({ length: count }, (_, member) => `consumer-${member}`);
const shares = (plan: Map<number, readonly string[]>) => {
  const load = new Map<string, number>();
  for (const [owner] of plan.values()) if (owner !== undefined) load.set(owner, (load.get(owner) ?? 0) + 1);
  return load;
};
describe.each(ALLOCATIONS)("%s", (strategy) => {
  it("gives every queue to somebody, ranks everybody once, and depends on nothing but its input", () => {
    for (const count of [1, 3, 7]) {
      const plan = allocate(strategy, queues, names(count));
      expect([...plan.keys()]).toEqual(queues);
      for (const ranking of plan.values()) expect([...ranking].sort()).toEqual(names(count).sort());
      expect(allocate(strategy, queues, names(count).reverse())).toEqual(plan);
    }
  });
  it("without members gives nothing to nobody", () => {
    expect([...allocate(strategy, queues, []).values()].every((ranking) => ranking.length === 0)).toBe(true);
  });
});
describe.each(["sticky", "average", "circle"] as const)("%s", (strategy) => {
  it("shares evenly: nobody has two more than another", () => {
    for (let count = 1; count <= 70; count++) {
      const load = [...shares(allocate(strategy, queues, names(count))).values()];
      const least = load.length < count ? 0 : Math.min(...load);
      expect(Math.max(...load) - least).toBeLessThanOrEqual(1);
    }
  });
});
it("sticky moves few queues when a member comes or goes", () => {
  for (let count = 2; count <= 10; count++) {
    const before = allocate("sticky", queues, names(count));
    const after = allocate("sticky", queues, names(count + 1));
    const moved = queues.filter((queue) => before.get(queue)![0] !== after.get(queue)![0]).length;
    expect(moved).toBeLessThanOrEqual(2.5 * Math.ceil(queues.length / (count + 1)));
  }
});
it("takes time that grows with the number of queues, not with its square", () => {
  /** So many plans, of so many queues each. */
  const costOf = (plans: number, count: number): number => {
    const many = Array.from({ length: count }, (_, queue) => queue);
    const began = cpuTime();
    for (let n = 0; n < plans; n++) allocate("sticky", many, names(50));
    return cpuTime() - began;
  };
  costOf(16, 256); // compiled
  const [few, many] = [costOf(64, 256), costOf(4, 4_096)]; // of as many queues in all
  expect(many).toBeLessThan(few * 4);
});
