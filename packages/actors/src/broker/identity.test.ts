import { describe, expect, it } from "vitest";
import type { Right } from "../contracts/auth.ts";
import { PRODUCERS_EACH_MAX } from "../log/producer-table.ts";
import { decodeRecord, storeKeys } from "../log/records.ts";
import { type Epoch, sequence } from "../message/brands.ts";
import type { LeaseResume } from "../protocol/frames.ts";
import { message, settlement } from "../queue/queue.fixture.ts";
import { simulatedRuntime } from "../runtime/simulated-runtime.ts";
import { MemoryDisk } from "../store/memory-disk.ts";
import { createMemoryStore } from "../store/memory-store.ts";
import type { Store } from "../store/store.ts";
import { BrokerBench, changedStore, type TestClient } from "./broker.fixture.ts";

const HOUR_MS = 3_600_000;
const WEEK_MS = 7 * 24 * HOUR_MS;
/**
 * So much later, as names count it: by the wall clock, looked at once an hour. Links that are to last have to be
 * heard in between.
 */
async function later(bench: BrokerBench, ms: number, ...linked: readonly TestClient[]): Promise<void> {
  bench.runtime.jumpWallClock(ms - HOUR_MS);
  for (let beat = 1; beat <= HOUR_MS / 10_000; beat++) {
    for (const client of linked) await client.say({ type: "heartbeat", beat, leases: [], grantsSeen: 0 });
    await bench.runtime.advance(10_000);
  }
}

async function openLane(client: TestClient, producer: string, queue = 0, epoch: Epoch | null = null, lane = 1) {
  const request = client.next();
  await client.say({ type: "lane.open", request, lane, topic: "t", queue, producer, epoch, routeVersion: 1 });
  await client.bench.runtime.settle();
  return client.frames.find((frame) => "request" in frame && frame.request === request);
}
async function append(client: TestClient, epoch: Epoch, from: number): Promise<string> {
  await client.say({
    type: "batch.append",
    lane: 1,
    epoch,
    sequence: sequence(from),
    count: 1,
    durability: "memory",
    messages: message(null),
  });
  await client.bench.runtime.settle();
  const answer = client.frames.findLast((frame) => frame.type === "batch.appended" || frame.type === "batch.refused");
  return answer?.type === "batch.refused" ? answer.error.code : (answer?.type ?? "nothing");
}
const refused = (code: string) =>
  expect.objectContaining({ type: "refused", error: expect.objectContaining({ code }) as unknown });
const restarted = async (bench: BrokerBench): Promise<BrokerBench> => {
  await bench.broker.close();
  return await BrokerBench.start({ disk: bench.disk, runtime: bench.runtime });
};
const hungUp = async (client: TestClient): Promise<void> => {
  client.link.abort();
  await client.bench.runtime.settle();
};

describe("a producer's name", () => {
  it("is not another principal's to take: at no queue of its topic, with no ordinal and no epoch, and nobody is fenced", async () => {
    const bench = await BrokerBench.start();
    const alice = await bench.client("a", 1, "alice");
    const opened = await openLane(alice, "payments");
    if (opened?.type !== "lane.opened") throw new Error("no lane");
    expect(await append(alice, opened.epoch, 0)).toBe("batch.appended");
    const mallory = await bench.client("m", 1, "mallory");
    for (const queue of [0, 1]) expect(await openLane(mallory, "payments", queue)).toEqual(refused("NAME_IN_USE"));
    const inHerPlace = await bench.client("a", 2, "mallory", alice.last("welcome").ordinal);
    expect(await openLane(inHerPlace, "payments", 0, opened.epoch)).toEqual(refused("NAME_IN_USE"));
    const { error } = mallory.last("refused");
    expect(error.data).toEqual({ name: "payments", principal: "mallory" });
    expect(error.message).not.toContain("alice");
    expect(await append(alice, opened.epoch, 1)).toBe("batch.appended");
    expect(await openLane(alice, "payments", 1, null, 2)).toMatchObject({ type: "lane.opened" });
    expect(await openLane(mallory, "other")).toMatchObject({ type: "lane.opened" });
    const successor = await bench.client("b", 1, "alice");
    expect(await openLane(successor, "payments")).toMatchObject({ type: "lane.opened" });
  });
  it("stays its principal's over restarts, and until a week after it was last linked", async () => {
    const first = await BrokerBench.start();
    const alice = await first.client("a", 1, "alice");
    expect(await openLane(alice, "payments")).toMatchObject({ type: "lane.opened" });
    await later(first, 2 * WEEK_MS, alice);
    const bench = await restarted(first);
    await bench.runtime.advance(2_000);
    const mallory = await bench.client("m", 1, "mallory");
    expect(await openLane(mallory, "payments", 1)).toEqual(refused("NAME_IN_USE"));
    await later(bench, WEEK_MS - 2 * HOUR_MS, mallory);
    expect(await openLane(mallory, "payments", 1)).toEqual(refused("NAME_IN_USE"));
    await later(bench, 3 * HOUR_MS, mallory);
    expect(await openLane(mallory, "payments", 1)).toMatchObject({ type: "lane.opened" });
  });
  it("of data from before it was stored is the first one's that comes", async () => {
    const runtime = simulatedRuntime({ seed: 3 });
    const disk = new MemoryDisk({ runtime });
    const old = await BrokerBench.start({ runtime, disk, authenticates: false });
    const opened = await openLane(await old.client("a", 1, "alice"), "payments");
    await old.broker.close();
    const store = createMemoryStore({ runtime, disk });
    const key = storeKeys.producer("t", 0, "payments");
    expect(decodeRecord<unknown[]>(key, (await store.get(key)) ?? new Uint8Array())).toHaveLength(8);
    await store.close();
    const bench = await BrokerBench.start({ runtime, disk });
    const alice = await bench.client("a", 2, "alice");
    if (opened?.type !== "lane.opened") throw new Error("no lane");
    expect(await openLane(alice, "payments", 0, opened.epoch)).toMatchObject({ epoch: opened.epoch });
    expect(await openLane(await bench.client("m", 1, "mallory"), "payments")).toEqual(refused("NAME_IN_USE"));
    const next = await restarted(bench);
    expect(await openLane(await next.client("m", 1, "mallory"), "payments", 1)).toEqual(refused("NAME_IN_USE"));
  });
  it("is not free while a queue reads what it has anew after a failed commit", async () => {
    const runtime = simulatedRuntime({ seed: 3 });
    const slowToList = (store: Store) =>
      changedStore(store, {
        list: async (...of) => {
          await new Promise<void>((resolve) => void runtime.setTimeout(resolve, 500));
          return await store.list(...of);
        },
      });
    const bench = await runtime.run(BrokerBench.start({ runtime, store: slowToList }));
    const alice = await bench.client("a", 1, "alice");
    const opened = await openLane(alice, "payments");
    if (opened?.type !== "lane.opened") throw new Error("no lane");
    bench.disk.beforeApply = () => {
      bench.disk.beforeApply = undefined;
      throw new Error("the disk failed");
    };
    await append(alice, opened.epoch, 0);
    const mallory = await bench.client("m", 1, "mallory");
    for (let ms = 0; ms < 2_000; ms += 100) {
      expect(await openLane(mallory, "payments", 1)).toEqual(refused("NAME_IN_USE"));
      await runtime.advance(100);
    }
    expect(alice.all("lane.rewind")).toHaveLength(1);
    expect(await append(alice, opened.epoch, 0)).toBe("batch.appended");
  });
  it("is left for others to have, however many one principal brings", async () => {
    const bench = await BrokerBench.start();
    const mallory = await bench.client("m", 1, "mallory");
    const open = (producer: string, lane: number) =>
      ({
        type: "lane.open",
        request: lane,
        lane,
        topic: "t",
        queue: 0,
        producer,
        epoch: null,
        routeVersion: 1,
      }) as const;
    for (let lane = 0; lane < PRODUCERS_EACH_MAX; lane += 500)
      await mallory.say(...Array.from({ length: 500 }, (_, n) => open(`m${lane + n}`, lane + n)));
    expect(mallory.all("lane.opened")).toHaveLength(PRODUCERS_EACH_MAX);
    await mallory.say(open("one-more", PRODUCERS_EACH_MAX));
    expect(mallory.last("refused").error.code).toBe("LIMIT_EXCEEDED");
    const alice = await bench.client("a", 1, "alice");
    expect(await openLane(alice, "payments")).toMatchObject({ type: "lane.opened" });
  });
  it("is nobody's where no authenticator tells principals apart", async () => {
    const bench = await BrokerBench.start({ authenticates: false });
    expect(await openLane(await bench.client("a", 1, "anonymous"), "p")).toMatchObject({ type: "lane.opened" });
    expect(await openLane(await bench.client("b", 1, "anonymous"), "p")).toMatchObject({ type: "lane.opened" });
  });
});

const WAYS = ["living", "away, and was given no queue", "away, with its lease"];
describe("a member's name", () => {
  it.each(WAYS)("is not another principal's to take (%s)", async (how) => {
    const bench = await BrokerBench.start();
    const alice = await bench.client("a", 1, "alice");
    await alice.join("worker");
    if (how === "away, with its lease") await alice.acquire(0);
    if (how !== "living") await hungUp(alice);
    const mallory = await bench.client("m", 1, "mallory");
    await mallory.join("worker");
    expect(mallory.last("refused").error).toMatchObject({
      code: "NAME_IN_USE",
      data: { name: "worker", principal: "mallory" },
    });
    expect(mallory.last("refused").error.message).not.toContain("alice");
    if (how === "living") return;
    await bench.runtime.advance(30_000); // also when its lease is over
    await mallory.join("worker");
    expect(mallory.all("member.joined")).toEqual([]);
    const again = await bench.client("a", 2, "alice");
    await again.join("worker");
    expect(again.all("member.joined")).toHaveLength(1);
  });
  it("stays its principal's while that may not consume, and is there for it again (seed 501607164)", async () => {
    let mayConsume = true;
    const bench = await BrokerBench.start({ authorize: (_, principal) => principal !== "alice" || mayConsume });
    const alice = await bench.client("a", 1, "alice");
    await alice.join("worker");
    mayConsume = false;
    await bench.runtime.advance(5_000);
    expect(alice.last("member.ended").error).toMatchObject({ code: "FORBIDDEN" });
    const mallory = await bench.client("m", 1, "mallory");
    await mallory.join("worker");
    expect(mallory.last("refused").error).toMatchObject({ code: "NAME_IN_USE" });
    mayConsume = true;
    await alice.join("worker");
    expect(alice.all("member.joined")).toHaveLength(2);
  });
  it("stays its principal's over a restart; is free when it has left, or eight days after it was last seen", async () => {
    const first = await BrokerBench.start();
    const alice = await first.client("a", 1, "alice");
    await alice.join("worker");
    await alice.join("other", { member: 2 });
    const bench = await restarted(first);
    const mallory = await bench.client("m", 1, "mallory");
    await mallory.join("worker");
    await mallory.join("other", { member: 2 });
    expect(mallory.all("refused").map(({ error }) => error.code)).toEqual(["NAME_IN_USE", "NAME_IN_USE"]);
    const again = await bench.client("a", 2, "alice");
    await again.join("worker");
    await again.say({ type: "member.leave", member: 1 });
    await mallory.join("worker");
    expect(mallory.all("member.joined")).toHaveLength(1);
    await later(bench, WEEK_MS, mallory);
    await mallory.join("other", { member: 2 });
    expect(mallory.all("member.joined")).toHaveLength(1);
    await later(bench, 26 * HOUR_MS, mallory);
    await mallory.join("other", { member: 2 });
    expect(mallory.all("member.joined")).toHaveLength(2);
    await bench.broker.close();
    const store = createMemoryStore({ runtime: bench.runtime, disk: bench.disk });
    expect((await store.list(storeKeys.members("t", "g"))).map(({ key }) => key)).toEqual([
      "gm/t/g/other",
      "gm/t/g/worker",
    ]);
  });
});

const resume = (epoch: Epoch): LeaseResume => ({ epoch, inHand: [], redrivenInHand: [], settle: settlement([]) });

describe("an instance", () => {
  /** A client that shows another's instance, and says all it can about that one's lease. */
  async function attack(thief: TestClient, queue: number, epoch: Epoch): Promise<string[]> {
    const lease = { member: 1, queue, epoch };
    await thief.join("thief");
    await thief.say({ type: "heartbeat", beat: 1, leases: [], grantsSeen: 1e6 });
    await thief.say({ type: "heartbeat", beat: 2, leases: [lease], grantsSeen: 1e6 });
    await thief.say({ type: "lease.acquire", request: thief.next(), member: 1, queue, resume: resume(epoch) });
    await thief.say({ type: "lease.acquire", request: thief.next(), member: 1, queue, resume: null });
    await thief.say({ type: "lease.raise", request: thief.next(), ...lease });
    await thief.say({ type: "lease.release", request: thief.next(), ...lease, settle: settlement([]) });
    await thief.say({ type: "settle", ...lease, settle: 1, settlement: settlement([[0 as never, 1 as never]]) });
    return [...thief.all("refused"), ...thief.all("settle.refused")].map(({ error }) => error.code);
  }
  const REFUSALS = ["STALE_EPOCH", "LEASE_HELD", "STALE_EPOCH", "STALE_EPOCH", "STALE_EPOCH"];

  it("that another principal shows is one of its own: no link is ended, no lease renewed, resumed, released or ended, nobody locked out", async () => {
    const bench = await BrokerBench.start();
    const alice = await bench.client("a", 1, "alice");
    await alice.join("worker");
    await alice.acquire(0);
    const { epoch } = alice.last("lease.granted");
    const beside = await bench.client("a", 99, "mallory");
    expect(await attack(beside, 0, epoch)).toEqual(REFUSALS);
    expect(beside.all("heartbeat.answered").flatMap(({ renewed }) => renewed)).toEqual([]);
    expect(alice.link.end).toBeNull();
    await alice.say({
      type: "heartbeat",
      beat: 1,
      leases: [{ member: 1, queue: 0, epoch }],
      grantsSeen: alice.last("lease.granted").grant,
    });
    expect(alice.last("heartbeat.answered").renewed).toHaveLength(1);
    await hungUp(alice);
    await hungUp(beside);
    const while_ = await bench.client("a", 100, "mallory");
    expect(await attack(while_, 0, epoch)).toEqual(REFUSALS);
    const again = await bench.client("a", 2, "alice");
    await again.join("worker");
    await again.say({ type: "lease.acquire", request: again.next(), member: 1, queue: 0, resume: resume(epoch) });
    expect(again.last("lease.granted").epoch).toBe(epoch);
  });
  it("keeps its quarantined lease after a restart, whoever shows it", async () => {
    const first = await BrokerBench.start();
    const alice = await first.client("a", 1, "alice");
    await alice.join("worker");
    await alice.acquire(0);
    const { epoch } = alice.last("lease.granted");
    const bench = await restarted(first);
    const mallory = await bench.client("a", 99, "mallory");
    await mallory.join("worker");
    expect(mallory.last("refused").error.code).toBe("NAME_IN_USE");
    expect((await attack(mallory, 0, epoch)).slice(1)).toEqual(REFUSALS);
    expect(mallory.offered).not.toContain(0);
    const again = await bench.client("a", 2, "alice");
    await again.join("worker");
    await bench.runtime.advance(1_500);
    expect(again.offered).toContain(0);
    await again.acquire(0);
    expect(again.last("lease.granted").epoch).toBe(epoch + 1);
  });
  it("keeps its link number, whatever comes of others; the older link is refused", async () => {
    const bench = await BrokerBench.start();
    const alice = await bench.client("a", 5, "alice");
    await hungUp(alice);
    for (let many = 0; many < 10_100; many += 505) {
      const others = Array.from({ length: 505 }, (_, n) => ({
        client: bench.dial("mallory"),
        instance: `m${many + n}`,
      }));
      for (const { client, instance } of others)
        client.link.send(
          client.codec.encode([{ type: "hello", versions: [1], instance, link: 1, client: "m", ordinal: null }]),
        );
      await bench.runtime.settle();
      for (const { client } of others) client.link.abort();
      await bench.runtime.settle();
    }
    const overtaken = await bench.client("a", 4, "alice");
    expect(overtaken.last("goodbye").error?.code).toBe("PROTOCOL_VIOLATION");
    expect((await bench.client("a", 6, "alice")).all("welcome")).toHaveLength(1);
    // of its own it drops the oldest, but none that holds something
    expect((await bench.client("m10099", 1, "mallory")).all("welcome")).toEqual([]);
    expect((await bench.client("m0", 1, "mallory")).all("welcome")).toHaveLength(1);
  });
});

describe("a name that is released by an order", () => {
  const release = (client: TestClient, group: string | null, name: string) =>
    client.say({
      type: "ask",
      request: client.next(),
      question: { kind: "name.release", topic: "t", group, name, reason: "alice has another id now" },
    });
  const bosses = { authorize: ({ verb }: Right, principal: string) => verb !== "manage" || principal === "boss" };

  it("is the first one's that comes, at every queue and after a restart; nobody else may order it, and it is told who did", async () => {
    const bench = await BrokerBench.start(bosses);
    const alice = await bench.client("a", 1, "alice");
    for (const queue of [0, 1]) await openLane(alice, "payments", queue, null, queue + 1);
    await alice.join("worker");
    const mallory = await bench.client("m", 1, "mallory");
    await release(mallory, null, "payments");
    expect(mallory.last("refused").error.code).toBe("FORBIDDEN");
    expect(await openLane(mallory, "payments")).toEqual(refused("NAME_IN_USE"));
    const boss = await bench.client("b", 1, "boss");
    for (const [group, name] of [
      [null, "payments"],
      ["g", "worker"],
      ["g", "nobody"],
    ] as const)
      await release(boss, group, name);
    expect(boss.all("answer").map(({ answer }) => answer)).toEqual([null, null, null]);
    expect(bench.told.filter((type) => type === "name.released")).toHaveLength(2);
    await mallory.join("worker");
    expect(mallory.last("refused").error.code).toBe("NAME_IN_USE"); // it is living
    await bench.broker.close();
    const next = await BrokerBench.start({ ...bosses, disk: bench.disk, runtime: bench.runtime });
    const bob = await next.client("b", 1, "bob");
    expect(await openLane(bob, "payments", 1)).toMatchObject({ type: "lane.opened" });
    await bob.join("worker");
    expect(bob.all("member.joined")).toHaveLength(1);
    const late = await next.client("a", 2, "alice");
    expect(await openLane(late, "payments")).toEqual(refused("NAME_IN_USE"));
    await late.join("worker");
    expect(late.last("refused").error.code).toBe("NAME_IN_USE");
  });
  it("leaves a lease under it to its holder until it ends", async () => {
    const bench = await BrokerBench.start();
    const alice = await bench.client("a", 1, "alice");
    await alice.join("worker");
    await alice.acquire(0);
    await hungUp(alice);
    await release(await bench.client("b", 1, "boss"), "g", "worker");
    const bob = await bench.client("b", 2, "bob");
    await bob.join("worker");
    expect(bob.last("refused").error.code).toBe("NAME_IN_USE");
    await bench.runtime.advance(10_000);
    await bob.join("worker");
    expect(bob.all("member.joined")).toHaveLength(1);
  });
});

describe("rights by name", () => {
  it("are what an authorizer gives that looks at the name which a lane and a member ask for", async () => {
    const bench = await BrokerBench.start({
      authorize: (right, principal) => {
        const name = right.verb === "produce" ? right.producer : right.verb === "consume" ? right.consumer : "";
        return name?.startsWith(`${principal}-`) === true;
      },
    });
    const alice = await bench.client("a", 1, "alice");
    expect(await openLane(alice, "alice-payments")).toMatchObject({ type: "lane.opened" });
    expect(await openLane(alice, "bob-payments", 0, null, 2)).toEqual(refused("FORBIDDEN"));
    expect(alice.last("refused").error.data).toMatchObject({ verb: "produce", topic: "t", producer: "bob-payments" });
    await alice.join("alice-1");
    expect(alice.all("member.joined")).toHaveLength(1);
    await alice.join("bob-1", { member: 2 });
    expect(alice.last("refused").error).toMatchObject({ code: "FORBIDDEN", data: { group: "g", consumer: "bob-1" } });
  });
});
