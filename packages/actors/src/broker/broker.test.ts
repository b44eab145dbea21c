import { describe, expect, it, vi } from "vitest";
import { storeKeys } from "../log/records.ts";
import { MessagingError } from "../message/errors.ts";
import { topicSpec } from "../message/topic.ts";
import { SubscriptionState } from "../subscription/subscription-state.ts";
import { BrokerBench, changedStore, type TestClient } from "./broker.fixture.ts";
import { Silence } from "./silence.ts";

const broken = () => new Error("not foreseen");
const never = new Promise<never>(() => {});

describe("what comes round goes on after it threw:", () => {
  it("retention, of every queue", async () => {
    const retention = { ageMs: 10_000, bytesMax: 1e9 };
    const topics = ["a", "b"].map((name) => topicSpec({ name, queues: 1, retention }));
    let trouble = false;
    const bench = await BrokerBench.start({
      topics,
      store: (store) =>
        changedStore(store, {
          usage: () => {
            if (trouble) throw broken();
            return store.usage();
          },
        }),
    });
    const starts = () => ["a", "b"].map((topic) => bench.disk.logs.get(storeKeys.log(topic, 0))?.extent().start);
    const client = await bench.client("i");
    await client.produce(["k"], 0, { topic: "a", lane: 1 });
    await client.produce(["k"], 0, { topic: "b", lane: 2 });
    await bench.runtime.advance(2_000);
    trouble = true;
    await bench.runtime.advance(2_000);
    for (const topic of ["a", "b"])
      expect(bench.logged).toContain(
        `error: broker "broker": retention of queue/${topic}/0 failed; tried again at its next turn`,
      );
    trouble = false;
    await bench.runtime.advance(4_000);
    expect(starts()).toEqual([0, 0]);
    await bench.runtime.advance(4_000);
    expect(starts()).toEqual([1, 1]);
  });
  it("retention of a full queue, which a batch has asked for", async () => {
    let trouble = false;
    const bench = await BrokerBench.start({
      topics: [topicSpec({ name: "t", queues: 1, retention: { bytesMax: 1 } })],
      store: (store) =>
        changedStore(store, {
          usage: () => {
            if (trouble) throw broken();
            return store.usage();
          },
        }),
    });
    const [full, other] = [await bench.client("full"), await bench.client("other")];
    await other.join("m"); // a group that settles nothing
    await full.produce(["k", "l"], 0);
    await full.produce(["m"], 0, { lane: 2 });
    expect(full.last("batch.refused").error.code).toBe("QUEUE_FULL");
    trouble = true;
    await full.produce(["n"], 0, { lane: 3 });
    trouble = false;
    expect(full.link.end?.code).toBe("internal");
    expect(bench.logged.filter((line) => line.includes("retention failed"))).toHaveLength(1);
    await other.produce(["o"], 0);
    expect(other.last("batch.refused").error.code).toBe("QUEUE_FULL");
  });
  it("retention, where it was a group that could not count what it loses", async () => {
    const retention = { ageMs: 10_000, dropUnsettled: true };
    const bench = await BrokerBench.start({ topics: [topicSpec({ name: "t", queues: 1, retention })] });
    const client = await bench.client("i");
    await client.join("m");
    await client.produce(["k"], 0);
    vi.spyOn(SubscriptionState.prototype, "expire").mockImplementationOnce(() => {
      throw broken();
    });
    await bench.runtime.advance(20_000);
    expect(bench.told.filter((type) => type === "message.expired")).toHaveLength(1);
    expect(bench.disk.logs.get(storeKeys.log("t", 0))?.extent().start).toBe(1);
  });
  it("the look at who owns the data", async () => {
    let looks = 0;
    const bench = await BrokerBench.start({
      store: (store) =>
        changedStore(store, {
          verifyOwner: () => {
            if (++looks === 1) throw broken();
            return looks === 2 ? Promise.resolve() : Promise.reject(new MessagingError("STORE_IN_USE", "another's"));
          },
        }),
    });
    await bench.runtime.advance(6_000);
    expect([looks, bench.broker.actors.list("broker").map(({ state }) => state)]).toEqual([2, ["serving"]]);
    await bench.runtime.advance(2_000);
    expect([looks, bench.broker.actors.list("broker")]).toEqual([3, []]);
  });
  it("the passing on of offers", async () => {
    const bench = await BrokerBench.start();
    const clients: TestClient[] = [];
    for (const name of ["a", "b"]) {
      const client = await bench.client(name);
      await client.join(name);
      clients.push(client);
    }
    await bench.runtime.advance(1_500); // both stand; each is offered a queue
    const offered = () => clients.reduce((sum, client) => sum + client.offered.length, 0);
    const before = offered();
    const looks = vi.spyOn(Silence.prototype, "isSuspected", "get").mockImplementationOnce(() => {
      throw broken();
    });
    await bench.runtime.advance(12_000);
    expect(looks.mock.calls.length).toBeGreaterThan(1);
    expect(bench.logged.filter((line) => line.includes("an offer could not be passed on"))).toHaveLength(1);
    expect(offered() - before).toBeGreaterThan(3); // both queues, time and again
  });
  it("the watch for links that have fallen silent", async () => {
    const bench = await BrokerBench.start();
    const client = await bench.client("a");
    const abort = vi.spyOn(client.theirs, "abort").mockImplementationOnce(() => {
      throw broken();
    });
    await bench.runtime.advance(30_000);
    expect(abort).toHaveBeenCalledTimes(2);
    expect(client.link.end?.code).toBe("lost");
    expect(bench.broker.actors.list("session")).toEqual([]);
  });
});

describe("a broker that stops by itself", () => {
  const failing = { close: () => Promise.reject(new MessagingError("STORE_FAILED", "no")) };
  it("because its data are another's ends nothing else, though the store fails to close", async () => {
    const lost = () => Promise.reject(new MessagingError("STORE_IN_USE", "the data was opened again"));
    const bench = await BrokerBench.start({
      store: (store) => changedStore(store, { ...failing, verifyOwner: lost }),
    });
    await bench.runtime.advance(3_000);
    expect(bench.broker.actors.list()).toEqual([]);
    expect(bench.logged).toEqual([
      'error: broker "broker" stops: the data was opened again',
      'error: broker "broker" has stopped, but could not let everything go: no',
    ]);
  });
  it("because it cannot start says why, and not that the store failed to close", async () => {
    const damaged = () => Promise.reject(new MessagingError("STORE_DAMAGED", "a page is missing"));
    const starting = BrokerBench.start({ store: (store) => changedStore(store, { ...failing, list: damaged }) });
    await expect(starting).rejects.toMatchObject({ code: "STORE_DAMAGED" });
  });
});
describe("close", () => {
  it("waits no longer than it was told for a store that never answers, and says what was left", async () => {
    let hung = false;
    const bench = await BrokerBench.start({
      topics: ["t", "u"].map((name) => topicSpec({ name, queues: 2 })),
      store: (store) =>
        changedStore(store, {
          writer: () => {
            const writer = store.writer();
            return { commit: (...how) => (hung ? { flushed: never, synced: never } : writer.commit(...how)) };
          },
          close: () => never,
        }),
    });
    const client = await bench.client("a");
    await client.join("m");
    hung = true;
    await client.acquire(0);
    const closing = bench.broker.close({ timeoutMs: 1_000 });
    await bench.runtime.advance(999);
    expect(bench.broker.actors.list("broker").map(({ state }) => state)).toEqual(["draining"]);
    await bench.runtime.run(closing);
    expect(bench.runtime.now()).toBe(1_000);
    expect(bench.logged.at(-1)).toBe(
      'warn: broker "broker" closed after 1000 ms without: changes of "t" that the store has not answered; the store, which may still hold its data',
    );
    expect(bench.broker.actors.list()).toEqual([]);
    expect(bench.runtime.timers).toBe(0);
  });
  it("waits no longer for a client that does not end its link, and ends it", async () => {
    const bench = await BrokerBench.start();
    const client = await bench.client("a");
    vi.spyOn(client.theirs, "close").mockImplementation(() => {});
    await bench.runtime.run(bench.broker.close({ timeoutMs: 500 }));
    expect(bench.runtime.now()).toBe(500);
    expect(bench.logged.at(-1)).toBe('warn: broker "broker" closed after 500 ms without: 1 link(s) to clients');
    expect(client.link.end?.code).toBe("lost");
  });
  it("lets go of everything when the store fails to close, and rejects with that", async () => {
    const bench = await BrokerBench.start({
      store: (store) => changedStore(store, { close: () => Promise.reject(new MessagingError("STORE_FAILED", "no")) }),
    });
    await expect(bench.runtime.run(bench.broker.close())).rejects.toMatchObject({ code: "STORE_FAILED" });
    expect(bench.broker.actors.list()).toEqual([]);
    expect(bench.runtime.timers).toBe(0);
  });
  it("waits for nothing when all is well", async () => {
    const bench = await BrokerBench.start();
    await bench.client("a");
    await bench.runtime.run(bench.broker.close());
    expect(bench.runtime.now()).toBe(0);
    expect(bench.logged).toEqual([]);
  });
});
