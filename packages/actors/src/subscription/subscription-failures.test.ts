import { describe, expect, it } from "vitest";
import { FakePort, QueueBench, storedBeside, Talk } from "../queue/queue.fixture.ts";

async function held(keys: readonly string[] = ["a", "b", "c"], join = {}) {
  const bench = await QueueBench.open();
  const subscription = await bench.subscribe();
  bench.append(keys);
  await bench.settle();
  const talk = await Talk.hold(bench, subscription, "c", join);
  return { bench, subscription, talk };
}

describe("a failed commit", () => {
  const kinds: readonly [string, (talk: Talk) => Promise<void>][] = [
    ["settle", (talk) => talk.settle([[0, 2]])],
    ["release", (talk) => talk.release([[0, 2]])],
    ["raise", (talk) => talk.raise()],
    ["park", (talk) => talk.put(0, "a")],
    ["halt", (talk) => talk.put(0, "a", { kind: "halt" })],
    ["new lease", (talk) => talk.acquire()],
    ["expiry", (talk) => talk.bench.runtime.advance(10_000)],
  ];
  for (const [kind, change] of kinds)
    it(`of a ${kind} leaves memory as the store has it, cuts the holder off, and lets it come back under a higher epoch`, async () => {
      const { bench, subscription, talk } = await held();
      let failing = true;
      bench.disk.beforeApply = () => {
        if (failing) throw new Error("disk");
      };
      const known = talk.epoch;
      void change(talk);
      await bench.settle();
      const waiting = new Talk(bench, subscription, new FakePort("c"));
      void waiting.acquire(); // asked for while it reloads: waits its turn
      failing = false;
      await bench.runtime.advance(10_001);
      const both = await storedBeside(bench, subscription);
      expect(both.memory).toBe(both.store);
      expect(subscription.account()).toMatchObject({ backlog: 3, settled: 0 });
      await talk.settle([[0, 1]]);
      expect(talk.port.last("settle.refused").error.code).toBe("STALE_EPOCH");
      const back = await Talk.hold(bench, subscription, "c");
      expect(back.epoch).toBeGreaterThan(known);
      expect(back.port.delivered).toEqual([0, 1, 2]);
    });
  it("lets changes that wait see only what the store has", async () => {
    const { bench, subscription, talk } = await held();
    let fail = () => {};
    bench.disk.beforeApply = () => new Promise((_, reject) => (fail = () => reject(new Error("disk"))));
    void talk.settle([[0, 1]]);
    void talk.settle([[1, 2]]);
    await bench.settle();
    bench.disk.beforeApply = undefined;
    fail();
    await bench.runtime.advance(1_000);
    expect(talk.port.all("settled")).toEqual([]);
    expect(subscription.account()).toMatchObject({ settled: 0, backlog: 3 });
    expect(subscription.lease.isQuarantined).toBe(true);
    expect(bench.vacancies).toBeGreaterThan(0); // its group may offer it to the holder that was cut off
  });
  it("is reloaded from before any change that waits, and the change in progress is refused", async () => {
    const { bench, subscription, talk } = await held();
    let fail = () => {};
    bench.disk.beforeApply = () =>
      new Promise((_, reject) => {
        fail = () => reject(new Error("disk"));
      });
    void talk.settle([[0, 1]]);
    let goOn = () => {};
    const read = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    const order = subscription.change(async () => {
      await read;
      return { writes: [], result: {} };
    });
    const refused = expect(order).rejects.toMatchObject({ code: "UNAVAILABLE" });
    const back = new Talk(bench, subscription, new FakePort("c"));
    void back.acquire();
    await bench.settle();
    bench.disk.beforeApply = undefined;
    fail();
    await bench.settle();
    goOn();
    await refused;
    await bench.settle();
    expect(back.port.last("lease.granted").epoch).toBe(talk.epoch + 1);
  });
  it("does not keep the broker from closing, even if the store never answers well again", async () => {
    const { bench, talk, subscription } = await held();
    bench.disk.beforeApply = () => {
      throw new Error("disk");
    };
    void talk.settle([[0, 1]]);
    await bench.settle();
    await bench.store.close();
    await bench.runtime.run(subscription.close());
    expect(bench.runtime.timers).toBe(0);
  });
});
