import { describe, expect, it } from "vitest";
import { topicSpec } from "../message/topic.ts";
import { BrokerBench, type TestClient } from "./broker.fixture.ts";

const spec = topicSpec({ name: "t", queues: 4 });
const start = () => BrokerBench.start({ topics: [spec] });
const group = async (bench: BrokerBench) => await bench.broker.describe(spec, { group: "g" });
async function takeAll(client: TestClient): Promise<void> {
  for (const queue of [...new Set(client.offered)]) await client.acquire(queue);
}
async function beat(client: TestClient): Promise<void> {
  const leases = client.all("lease.granted").map(({ queue, epoch }) => ({ member: 1, queue, epoch }));
  await client.say({ type: "heartbeat", beat: client.next(), grantsSeen: 0, leases });
}

describe("a group", () => {
  it("offers every queue to its first member at once, and is stable when they are taken", async () => {
    const bench = await start();
    const client = await bench.client("a");
    await client.join("one");
    await bench.runtime.advance(0);
    expect([...client.offered].sort()).toEqual([0, 1, 2, 3]);
    expect((await group(bench)).state).toBe("rebalancing");
    await takeAll(client);
    expect(await group(bench)).toMatchObject({ state: "stable", members: ["one"] });
  });
  it("offers a part of very many queues at once, and more as they are taken or passed over", async () => {
    const many = topicSpec({ name: "t", queues: 600 });
    const bench = await BrokerBench.start({ topics: [many] });
    const client = await bench.client("a");
    await client.join("one");
    await bench.runtime.advance(0);
    const first = [...client.offered];
    expect(first).toHaveLength(512);
    await client.acquire(first[0] as number);
    expect(new Set(client.offered).size).toBe(513);
    // nobody takes the others: those that wait have their turn before these are offered again
    await bench.runtime.advance(4_100);
    expect(new Set(client.offered).size).toBe(600);
    await takeAll(client);
    expect(await group(bench)).toMatchObject({ state: "stable", members: ["one"] });
  });
  it("counts a further member after it stood for a second, asks for its share back, and offers that on", async () => {
    const bench = await start();
    const one = await bench.client("a");
    await one.join("one");
    await bench.runtime.advance(0);
    await takeAll(one);
    const two = await bench.client("b");
    await two.join("two");
    await bench.runtime.advance(999);
    expect(one.all("lease.revoke")).toEqual([]);
    await bench.runtime.advance(1);
    const revoked = one.all("lease.revoke");
    expect(revoked).toHaveLength(2);
    for (const { queue, epoch } of revoked) {
      const settle = { ranges: [], redriven: [], tried: [], redrivenTried: [] };
      await one.say({ type: "lease.release", request: one.next(), member: 1, queue, epoch, settle });
    }
    expect([...two.offered].sort()).toEqual(revoked.map((revoke) => revoke.queue).sort());
    await takeAll(two);
    expect((await group(bench)).state).toBe("stable");
  });
  it("passes an offer on that nobody took for 3 s", async () => {
    const bench = await start();
    const one = await bench.client("a");
    await one.join("one");
    const two = await bench.client("b");
    await two.join("two");
    await bench.runtime.advance(1_001);
    const first = two.offered;
    expect(first).toHaveLength(2);
    await bench.runtime.advance(2_900);
    expect(two.offered).toEqual(first);
    await bench.runtime.advance(1_200);
    expect([...new Set(two.offered)].sort()).toEqual([0, 1, 2, 3]);
    expect(two.all("lease.revoke")).toEqual([]);
  });
  it("offers what a frozen member lost to others at once, and gives it its share back when it is heard again", async () => {
    const bench = await start();
    const one = await bench.client("a");
    await one.join("one", { leaseTtlMs: 8_000 });
    await bench.runtime.advance(0);
    await takeAll(one);
    const two = await bench.client("b");
    await two.join("two");
    await bench.runtime.advance(1_000);
    for (const { queue, epoch } of one.all("lease.revoke")) {
      const settle = { ranges: [], redriven: [], tried: [], redrivenTried: [] };
      await one.say({ type: "lease.release", request: one.next(), member: 1, queue, epoch, settle });
    }
    await takeAll(two);
    const kept = [0, 1, 2, 3].filter((queue) => !two.offered.includes(queue));
    expect(kept).toHaveLength(2);
    // `one` says nothing more; its leases run out after 8 s, `two` renews its own
    for (let beats = 0; beats < 4; beats++) {
      await beat(two);
      await bench.runtime.advance(2_100);
    }
    expect([...new Set(two.offered)].sort()).toEqual([0, 1, 2, 3]);
    for (const queue of kept) await two.acquire(queue);
    const revokes = two.all("lease.revoke").length;
    await beat(one);
    await bench.runtime.advance(1_000);
    expect(two.all("lease.revoke").length - revokes).toBe(2);
  });
  it("changes nothing for a client that is back on a new link, and offers it again what was on its way", async () => {
    const bench = await start();
    const one = await bench.client("a");
    await one.join("one");
    const two = await bench.client("b");
    await two.join("two");
    await bench.runtime.advance(1_001);
    await takeAll(one);
    const lost = two.offered;
    two.link.abort();
    await bench.runtime.advance(500);
    const back = await bench.client("b", 2);
    await back.join("two");
    expect([...back.offered].sort()).toEqual([...lost].sort());
    await takeAll(back);
    await beat(one);
    await bench.runtime.advance(2_000);
    expect(one.all("lease.revoke")).toEqual([]);
    expect((await group(bench)).members).toEqual(["one", "two"]);
  });
  it("deals out at once what a member leaves behind", async () => {
    const bench = await start();
    const one = await bench.client("a");
    await one.join("one");
    const two = await bench.client("b");
    await two.join("two");
    await bench.runtime.advance(1_001);
    await takeAll(one);
    await takeAll(two);
    const had = two.all("lease.granted").map((grant) => grant.queue);
    const before = one.offered.length;
    await two.say({ type: "member.leave", member: 1 });
    await bench.runtime.advance(0);
    expect(one.offered.slice(before).sort()).toEqual(had.sort());
  });
  it("has no two living members of one name, and answers the second once", async () => {
    const bench = await start();
    const one = await bench.client("a");
    await one.join("one");
    const other = await bench.client("b");
    await other.join("one");
    expect(other.frames.map((frame) => frame.type)).toEqual(["welcome", "refused"]);
    expect(other.last("refused").error.code).toBe("NAME_IN_USE");
    await one.join("one", { member: 2 });
    expect(one.last("refused").error.code).toBe("NAME_IN_USE");
    one.link.abort();
    await bench.runtime.settle();
    await other.join("one");
    expect(other.all("member.joined")).toHaveLength(1);
  });
  it("has the settings of its first member; another with others is refused", async () => {
    const bench = await start();
    const one = await bench.client("a");
    await one.join("one");
    const two = await bench.client("b");
    await two.join("two", { settings: { exhausted: "halt", attempts: 3, startAt: "earliest" } });
    expect(two.last("refused").error).toMatchObject({ code: "GROUP_SETTINGS_DIFFER", data: { setting: "exhausted" } });
  });
  it("named with its topic keeps messages before anybody joins, and lets the first choose", async () => {
    const bench = await BrokerBench.start({ topics: [topicSpec({ name: "t", queues: 1, groups: ["g"] })] });
    const one = await bench.client("a");
    await one.produce(["k"], 0);
    await one.join("one", { settings: { exhausted: "halt", attempts: 1, startAt: "latest" } });
    expect(one.all("member.joined")).toHaveLength(1);
    expect((await group(bench)).counts).toMatchObject({ backlog: 1, skipped: 0 });
  });
  it("named with its topic survives a failed first join", async () => {
    const bench = await BrokerBench.start({ topics: [topicSpec({ name: "t", queues: 1, groups: ["g"] })] });
    const one = await bench.client("a");
    bench.disk.beforeApply = () => {
      bench.disk.beforeApply = undefined;
      throw new Error("disk");
    };
    await one.join("one");
    expect(one.last("refused").error.code).toBe("STORE_FAILED");
    await one.join("one");
    await bench.runtime.advance(1);
    expect(one.offered).toEqual([0]);
    await one.acquire(0);
    expect((await group(bench)).state).toBe("stable");
  });
  it("forgets a member that leaves before its join was answered", async () => {
    const bench = await start();
    const one = await bench.client("a");
    let release = () => {};
    bench.disk.beforeApply = () => new Promise((resolve) => (release = resolve));
    await one.join("one");
    await one.say({ type: "member.leave", member: 1 });
    bench.disk.beforeApply = undefined;
    release();
    await bench.runtime.advance(1);
    expect(one.last("refused").error.code).toBe("CLOSED");
    expect((await group(bench)).members).toEqual([]);
  });
  it("offers a quarantined queue to the holder of before only", async () => {
    const bench = await start();
    const one = await bench.client("a");
    await one.join("one");
    await bench.runtime.advance(0);
    await takeAll(one);
    const { runtime, disk } = bench;
    const next = await BrokerBench.start({ runtime, disk, topics: [spec] });
    const two = await next.client("b");
    await two.join("two");
    const back = await next.client("a", 9);
    await back.join("one");
    await runtime.advance(1_001);
    expect(two.offered).toEqual([]);
    expect([...new Set(back.offered)].sort()).toEqual([0, 1, 2, 3]);
    const before = one.last("lease.granted").epoch;
    await back.acquire(0);
    expect(back.last("lease.granted").epoch).toBe(before + 1);
  });
});
