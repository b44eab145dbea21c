import { describe, expect, it, vi } from "vitest";
import { FakePort, message, QueueBench, Talk } from "../queue/queue.fixture.ts";

async function held(keys: readonly string[] = ["a", "b", "c"], join = {}) {
  const bench = await QueueBench.open();
  const subscription = await bench.subscribe();
  bench.append(keys);
  await bench.settle();
  const talk = await Talk.hold(bench, subscription, "c", join);
  return { bench, subscription, talk };
}

describe("credit", () => {
  it("bounds messages and bytes in all", async () => {
    const bench = await QueueBench.open();
    const subscription = await bench.subscribe();
    bench.append(
      Array.from({ length: 20 }, () => "k"),
      100,
    );
    const talk = new Talk(bench, subscription, new FakePort("c"));
    await talk.acquire();
    talk.epoch = talk.port.last("lease.granted").epoch;
    await bench.settle();
    await talk.credit(3, 1e9);
    expect(talk.port.delivered).toEqual([0, 1, 2]);
    await talk.credit(3, 1e9); // repeated
    await talk.credit(1, 1e9); // late
    expect(talk.port.delivered).toHaveLength(3);
    await talk.credit(20, 1); // totals only grow
    expect(talk.port.delivered).toHaveLength(20);
  });
  it("in bytes lets as many messages through as fit", async () => {
    const bench = await QueueBench.open();
    const subscription = await bench.subscribe();
    bench.append(
      Array.from({ length: 20 }, () => "k"),
      100,
    );
    const talk = new Talk(bench, subscription, new FakePort("c"));
    await talk.acquire();
    talk.epoch = talk.port.last("lease.granted").epoch;
    const size = message("k", 100).length;
    await talk.credit(100, size * 5 + 1);
    expect(talk.port.delivered).toEqual([0, 1, 2, 3, 4]);
    await talk.credit(100, size * 7);
    expect(talk.port.delivered).toEqual([0, 1, 2, 3, 4, 5, 6]);
  });
  it("lets a message larger than all of it go when nothing else is in hand", async () => {
    const bench = await QueueBench.open();
    const subscription = await bench.subscribe();
    bench.appendMessages([message("a", 10), message("a", 5_000), message("a", 5_000), message("b", 10)]);
    const talk = new Talk(bench, subscription, new FakePort("c"));
    await talk.acquire();
    talk.epoch = talk.port.last("lease.granted").epoch;
    await talk.credit(100, 1_000);
    expect(talk.port.delivered).toEqual([0]);
    await talk.settle([[0, 1]]);
    expect(talk.port.delivered).toEqual([0, 1]);
    await talk.put(1, "a", { kind: "dead-letter" });
    expect(talk.port.delivered).toEqual([0, 1, 2]);
    expect(subscription.state.isDone(2)).toBe(false);
    await talk.settle([[2, 3]]);
    await talk.credit(100, 20_000);
    expect(talk.port.delivered).toEqual([0, 1, 2, 3]);
  });
  it("a link that does not take more gets nothing until it has drained", async () => {
    const { bench, subscription, talk } = await held(["a"]);
    talk.port.congested = true;
    bench.append(["b"]);
    await bench.settle();
    expect(talk.port.delivered).toEqual([0]);
    expect(bench.actors.list("subscription")[0]?.state).toBe("leased.suspended");
    talk.port.congested = false;
    for (const resume of talk.port.drained.splice(0)) resume();
    expect(talk.port.delivered).toEqual([0, 1]);
    expect(subscription.lease.isHeld).toBe(true);
  });
  it("a batch of any size travels in frames of bounded size", async () => {
    const bench = await QueueBench.open();
    const subscription = await bench.subscribe();
    bench.appendMessages(Array.from({ length: 40 }, () => message("k", 50_000)));
    const talk = await Talk.hold(bench, subscription);
    expect(talk.port.delivered).toEqual(Array.from({ length: 40 }, (_, at) => at));
    for (const { batches } of talk.port.all("deliver"))
      expect(batches.reduce((sum, batch) => sum + batch.messages.length, 0)).toBeLessThanOrEqual(256 * 1024);
  });
});

describe("a backlog that has left memory", () => {
  it("is read once, also by a holder that takes one message at a time", async () => {
    const bench = await QueueBench.open();
    const subscription = await bench.subscribe();
    // 2.4 MB: the tail in memory begins after some
    for (let batch = 0; batch < 40; batch++) bench.append(["a", "b"], 30_000);
    await bench.settle();
    const read = vi.spyOn(bench.store, "read");
    const talk = new Talk(bench, subscription, new FakePort("c"));
    await talk.acquire();
    talk.epoch = talk.port.last("lease.granted").epoch;
    for (let at = 0; at < 80; at++) {
      await talk.credit(at + 1, 1e9);
      await talk.settle([[at, at + 1]]);
    }
    expect(talk.port.delivered).toEqual(Array.from({ length: 80 }, (_, at) => at));
    expect(read.mock.calls.map(([, from]) => from)).toEqual([0, 2, 4, 6, 8, 10]); // each batch once
  });
  it("is not kept for a holder that is gone", async () => {
    const bench = await QueueBench.open();
    const subscription = await bench.subscribe();
    for (let batch = 0; batch < 40; batch++) bench.append(["a", "b"], 30_000);
    await bench.settle();
    const first = await Talk.hold(bench, subscription, "c");
    await first.release([[0, 1]]);
    const second = await Talk.hold(bench, subscription, "d");
    expect(second.port.delivered).toEqual(Array.from({ length: 79 }, (_, at) => at + 1));
  });
});

describe("the span", () => {
  it("stops 10,000 messages beyond the oldest unsettled one, and goes on when that is settled", async () => {
    const bench = await QueueBench.open();
    const subscription = await bench.subscribe();
    for (let batch = 0; batch < 12; batch++) bench.append(Array.from({ length: 1_000 }, () => "k"));
    await bench.settle();
    const talk = await Talk.hold(bench, subscription);
    await talk.settle([[1, 10_000]]);
    expect(talk.port.delivered).toHaveLength(10_000);
    expect(bench.actors.list("subscription")[0]?.state).toBe("leased.suspended");
    await talk.settle([[0, 1]]);
    expect(talk.port.delivered).toHaveLength(12_000);
    expect(bench.actors.list("subscription")[0]?.state).toBe("leased.flowing");
  });
});
