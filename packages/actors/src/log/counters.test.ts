import { beforeEach, describe, expect, it } from "vitest";
import { sequence } from "../message/brands.ts";
import { concatBytes } from "../message/packed.ts";
import { FakePort, message, QueueBench, Talk } from "../queue/queue.fixture.ts";

let totals: Map<string, number>;
const count = (name: string, n: number, labels: Readonly<Record<string, string>>) => {
  const series = [name, ...Object.values(labels)].join(" ");
  totals.set(series, (totals.get(series) ?? 0) + n);
};
const total = (series: string): number => totals.get(series) ?? 0;
beforeEach(() => {
  totals = new Map();
});

describe("counters", () => {
  it("tell a batch that is sent again, or out of order, from what is appended", async () => {
    const bench = await QueueBench.open({}, undefined, { count });
    const { epoch } = bench.queue.log.openLane("p", null, { instance: "i", ordinal: 1, principal: null });
    const append = (from: number, messages: number) =>
      bench.queue.append(bench.lane("p", "i", epoch), {
        type: "batch.append",
        lane: 1,
        epoch,
        sequence: sequence(from),
        count: messages,
        durability: "memory",
        messages: concatBytes(Array.from({ length: messages }, () => message("k"))),
      });
    append(0, 2);
    append(0, 3); // two of them are known
    append(9, 1);
    await bench.settle();
    expect(Object.fromEntries(totals)).toEqual({
      "seriatim_messages_appended_total t": 3,
      "seriatim_messages_duplicate_total t": 2,
      "seriatim_batches_refused_total t OUT_OF_SEQUENCE": 1,
    });
  });
  it("count what a past holder says as refused, and its lease as lost, by reason", async () => {
    const bench = await QueueBench.open({}, undefined, { count });
    const subscription = await bench.subscribe();
    bench.append(["a", "b", "c"]);
    await bench.settle();
    const talk = await Talk.hold(bench, subscription);
    await talk.settle([[0, 1]]);
    await talk.settle([[0, 1]]); // said again, counted once
    await bench.runtime.advance(10_001);
    await talk.settle([[1, 2]]);
    expect(total("seriatim_leases_lost_total t g expired")).toBe(1);
    expect(total("seriatim_settles_refused_total t g STALE_EPOCH")).toBe(1);
    expect(total("seriatim_messages_settled_total t g")).toBe(1);
    const next = new Talk(bench, subscription, new FakePort("d"));
    await next.acquire();
    await next.acquire(); // it does not know of it any more
    expect(total("seriatim_leases_lost_total t g fenced")).toBe(1);
    expect(total("seriatim_leases_granted_total t g")).toBe(3);
  });
  it("count the lease that a halted queue gives back when it is set going again as granted anew, not as lost, whenever that is", async () => {
    const bench = await QueueBench.open({}, undefined, { count });
    const subscription = await bench.subscribe();
    const goOn = () =>
      subscription.change(async () => {
        subscription.state.halt = null;
        return { writes: [], result: {}, after: () => subscription.lease.revoke() };
      });
    const lost = () => [...totals.keys()].filter((series) => series.startsWith("seriatim_leases_lost"));
    bench.append(["a"]);
    await bench.settle();

    const talk = await Talk.hold(bench, subscription);
    await talk.put(0, "a", { kind: "halt" });
    await goOn(); // while it is held
    await talk.release();
    expect([total("seriatim_leases_granted_total t g"), lost()]).toEqual([1, []]);

    const next = await Talk.hold(bench, subscription);
    await next.put(0, "a", { kind: "halt" });
    await next.release();
    await goOn(); // after it was given back
    expect([total("seriatim_leases_granted_total t g"), lost()]).toEqual([2, []]);

    const last = await Talk.hold(bench, subscription);
    await last.put(0, "a", { kind: "halt" });
    await goOn();
    await bench.runtime.advance(10_001); // and its holder is not heard of again
    expect(total("seriatim_leases_lost_total t g expired")).toBe(1);
    expect(total("seriatim_leases_granted_total t g")).toBe(3);
    expect(lost()).toHaveLength(1);
  });
  it("count what is set aside when it is stored, its followers too, and a redriven message when it is settled", async () => {
    const bench = await QueueBench.open({}, undefined, { count });
    const subscription = await bench.subscribe();
    bench.append(["a", "b", "a"]);
    await bench.settle();
    const talk = await Talk.hold(bench, subscription);
    await talk.put(0, "a");
    bench.append(["a"]);
    await bench.settle();
    expect(total("seriatim_messages_parked_total t g")).toBe(3);
    await talk.put(1, "b", { kind: "dead-letter" });
    expect(total("seriatim_messages_dead_lettered_total t g")).toBe(1);
    expect(total("seriatim_messages_settled_total t g")).toBe(0);
    await subscription.change(async () => {
      const strand = subscription.aside.parked("a")!;
      const write = subscription.aside.turn(strand, { phase: "redriving", attempts: 0, error: strand.error });
      return { writes: [write], result: {}, after: () => subscription.lease.flow?.redrive(strand.id) };
    });
    await bench.settle();
    const { strand } = talk.port.all("redeliver")[0]!.entries[0]!;
    await talk.settle([], { redriven: talk.port.redelivered.map((at) => ({ strand, offset: at as never })) });
    expect(total("seriatim_messages_settled_total t g")).toBe(3);
    expect(total("seriatim_messages_delivered_total t g")).toBe(6);
  });
});
