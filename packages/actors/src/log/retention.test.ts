import { describe, expect, it } from "vitest";
import { accountProblem, QueueBench, Talk } from "../queue/queue.fixture.ts";
import { MemoryDisk } from "../store/memory-disk.ts";

async function filled(retention: object, batches = 4) {
  const bench = await QueueBench.open({ retention });
  const subscription = await bench.subscribe();
  for (let batch = 0; batch < batches; batch++) bench.append(["a", "b"]);
  await bench.settle();
  const talk = await Talk.hold(bench, subscription);
  const { log } = bench.queue;
  return { bench, subscription, talk, log };
}

describe("retention", () => {
  it("removes nothing that a group has not settled, however old", async () => {
    const { bench, talk, log } = await filled({ ageMs: 1_000 });
    await bench.runtime.advance(5_000);
    await bench.queue.retain();
    expect(log.start).toBe(0);
    await talk.settle([[0, 5]]);
    await bench.queue.retain();
    expect(log.start).toBe(4); // whole batches
    expect((await bench.store.extent(log.name)).start).toBe(4);
  });
  it("removes by age, by bytes, and as soon as all have settled, only as it is told", async () => {
    const keeps = await filled({});
    await keeps.talk.settle([[0, 8]]);
    await keeps.bench.queue.retain();
    expect(keeps.log.start).toBe(0);
    const settled = await filled({ settledByAll: true });
    await settled.talk.settle([[0, 8]]);
    await settled.bench.queue.retain();
    expect([settled.log.start, settled.log.bytes]).toEqual([8, 0]);
    const bytes = await filled({ bytesMax: 200 });
    await bytes.talk.settle([[0, 8]]);
    await bytes.bench.queue.retain();
    expect(bytes.log.bytes).toBeLessThan(200);
  });
  it("need not look again at a queue before its oldest batch is too old, unless something presses", async () => {
    const { bench, talk, log } = await filled({ ageMs: 60_000 });
    const { queue } = bench;
    await talk.settle([[0, 8]]);
    expect(queue.mayRetain).toBe(true);
    await queue.retain();
    expect([log.start, queue.mayRetain]).toEqual([0, false]);
    await bench.runtime.advance(60_001);
    expect(queue.mayRetain).toBe(true);
    await queue.retain();
    expect([log.start, queue.mayRetain]).toEqual([8, false]); // nothing is left
    const settled = await filled({ settledByAll: true });
    await settled.bench.queue.retain();
    expect(settled.bench.queue.mayRetain).toBe(true); // its groups may go on at any time
  });
  it("removes nothing as settled by all while there is no group", async () => {
    const bench = await QueueBench.open({ retention: { settledByAll: true } });
    bench.append(["a"]);
    await bench.settle();
    await bench.queue.retain();
    expect(bench.queue.log.start).toBe(0);
  });
  it("goes by what is stored of a group's cursor, not by what is on its way", async () => {
    const { bench, subscription, talk, log } = await filled({ settledByAll: true });
    let fail = () => {};
    bench.disk.beforeApply = (writes) =>
      writes.some((write) => write.kind === "put" && write.key.startsWith("s/"))
        ? new Promise((_, reject) => (fail = () => reject(new Error("disk"))))
        : undefined;
    void talk.settle([[0, 8]]);
    await bench.settle();
    void bench.queue.retain();
    fail();
    bench.disk.beforeApply = undefined;
    await bench.runtime.advance(1_000);
    expect([log.start, subscription.account().backlog]).toEqual([0, 8]);
  });
  it("with dropUnsettled counts what it takes as expired, before it is gone", async () => {
    const { bench, subscription, talk, log } = await filled({ ageMs: 1_000, dropUnsettled: true });
    await talk.settle([[1, 2]], { tried: [[0, 2]] });
    await bench.runtime.advance(2_000);
    const order: string[] = [];
    bench.disk.beforeApply = (writes) => void order.push(...writes.map((write) => write.kind));
    await bench.queue.retain();
    await bench.settle();
    expect(order.indexOf("put")).toBeLessThan(order.indexOf("truncate"));
    expect([log.start, subscription.account()]).toMatchObject([8, { expired: 7, settled: 1, backlog: 0, cursor: 8 }]);
    expect(subscription.state.tried.size).toBe(0);
    expect(bench.told).toContain("message.expired");
    bench.append(["a"]);
    await bench.settle();
    expect(talk.port.delivered.at(-1)).toBe(8);
    expect(accountProblem(subscription)).toBeNull();
  });
  it("leaves what is set aside alone: its bodies are copies", async () => {
    const { bench, subscription, talk } = await filled({ settledByAll: true });
    await talk.put(0, "a");
    await talk.settle([[0, 8]]);
    await bench.queue.retain();
    const strand = subscription.aside.parked("a")!;
    expect((await subscription.aside.copies(strand, 0, 10)).map((copy) => copy.offset)).toEqual([0, 2, 4, 6]);
    expect(subscription.account()).toMatchObject({ deadLettered: [0], parked: [2, 4, 6], settled: 4 });
  });
});

describe("a full queue", () => {
  it("refuses producers and takes them again once consumers have drained it", async () => {
    const { bench, talk } = await filled({ bytesMax: 200 });
    bench.append(["a"]);
    expect(bench.answers.at(-1)).toMatchObject({
      type: "batch.refused",
      error: { code: "QUEUE_FULL" },
      retryAfterMs: 200,
    });
    expect(bench.queue.state).toBe("full");
    await talk.settle([[0, 8]]);
    await bench.queue.retain();
    expect(bench.queue.state).toBe("active");
    bench.append(["a"]);
    await bench.settle();
    expect(bench.answers.at(-1)).toMatchObject({ type: "lane.kept" });
  });
  it("of exactly the bytes allowed is full, and drains all the same", async () => {
    const probe = await filled({});
    const { bench, talk, log } = await filled({ bytesMax: probe.log.bytes });
    expect(log.bytes).toBe(probe.log.bytes);
    bench.append(["a"]);
    expect(bench.queue.state).toBe("full");
    await talk.settle([[0, 8]]);
    await bench.queue.retain();
    expect(bench.queue.state).toBe("active");
  });
});

describe("a full store", () => {
  it("refuses producers, lets groups settle, and takes messages again once what all have settled is removed, however young", async () => {
    const bench = await QueueBench.open({}, new MemoryDisk({ bytesMax: 60_000 }));
    const subscription = await bench.subscribe();
    const talk = await Talk.hold(bench, subscription);
    let appended = -1;
    do {
      bench.append(["a"], 1_000);
      appended++;
      await bench.settle();
    } while (bench.answers.at(-1)?.type !== "batch.refused");
    expect(bench.answers.at(-1)).toMatchObject({ error: { code: "STORE_FULL" } });
    expect(appended).toBeGreaterThan(20);
    await bench.queue.retain();
    expect(bench.queue.log.start).toBe(0); // nothing is settled yet
    await talk.settle([[0, appended]]);
    await bench.queue.retain();
    expect(bench.queue.log.start).toBe(appended);
    expect(bench.queue.state).toBe("active");
  });
});

describe("a new group", () => {
  it("begins at the first message, at the next one, or at a time, and counts the rest as skipped", async () => {
    const bench = await QueueBench.open();
    bench.append(["a", "b"]);
    await bench.settle();
    await bench.runtime.advance(1_000);
    const timestampMs = bench.runtime.wallNow();
    bench.append(["a"]);
    await bench.settle();
    const cursors = [
      await bench.subscribe("earliest", "x"),
      await bench.subscribe("latest", "y"),
      await bench.subscribe({ timestampMs }, "z"),
    ];
    expect(cursors.map((one) => [one.account().cursor, one.account().skipped])).toEqual([
      [0, 0],
      [3, 3],
      [2, 2],
    ]);
    await bench.restart();
    expect((await bench.subscribe("earliest", "y")).account().cursor).toBe(3);
  });
});
