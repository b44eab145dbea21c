import { describe, expect, it } from "vitest";
import { encodeRecord, storeKeys } from "../log/records.ts";
import { accountProblem, FakePort, failure, message, QueueBench, storedBeside, Talk } from "../queue/queue.fixture.ts";

async function held(keys: readonly string[], spec = {}, join = {}) {
  const bench = await QueueBench.open(spec);
  const subscription = await bench.subscribe();
  const talk = await Talk.hold(bench, subscription, "c", join);
  bench.append(keys);
  await bench.settle();
  return { bench, subscription, talk };
}
const redrive = (subscription: Awaited<ReturnType<typeof held>>["subscription"], key: string) =>
  subscription.change(async () => {
    const strand = subscription.aside.parked(key)!;
    const write = subscription.aside.turn(strand, { phase: "redriving", attempts: 0, error: failure });
    return { writes: [write], result: {}, after: () => subscription.lease.flow?.redrive(strand.id) };
  });

describe("park", () => {
  it("sets the head, the delivered ones behind it and the later ones of its key aside, in order; other keys flow", async () => {
    const { bench, subscription, talk } = await held(["a", "b", "a", "b"]);
    expect(talk.port.delivered).toEqual([0, 1, 2, 3]);
    await talk.put(0, "a");
    expect(talk.port.last("aside.done").offsets).toEqual([0, 2]);
    bench.append(["a", "b", "a"]);
    await bench.settle();
    expect(talk.port.delivered).toEqual([0, 1, 2, 3, 5]);
    expect(subscription.aside.parked("a")?.offsets).toEqual([0, 2, 4, 6]);
    const account = subscription.account();
    expect(account).toMatchObject({ deadLettered: [0], parked: [2, 4, 6], backlog: 3, cursor: 1 });
    const both = await storedBeside(bench, subscription);
    expect(both.memory).toBe(both.store);
  });
  it("leaves a settled message of the key out", async () => {
    const { subscription, talk } = await held(["a", "a", "a"]);
    await talk.settle([[0, 1]]);
    await talk.put(1, "a");
    expect(subscription.account()).toMatchObject({ settled: 1, deadLettered: [1], parked: [2], backlog: 0, cursor: 3 });
  });
  it("repeated, changes nothing and names the same messages", async () => {
    const { subscription, talk } = await held(["a", "a", "b"]);
    await talk.put(0, "a");
    await talk.put(0, "a");
    expect(talk.port.all("aside.done").map((done) => done.offsets)).toEqual([
      [0, 1],
      [0, 1],
    ]);
    expect(subscription.aside.messages).toBe(2);
    expect(accountProblem(subscription)).toBeNull();
  });
  it("repeated after a redrive, names the change in which they were set aside, over a restart too (chaos seed 3)", async () => {
    const { bench, subscription, talk } = await held(["a", "a", "b"]);
    await talk.put(0, "a");
    const { revision } = talk.port.last("aside.done");
    const strand = subscription.aside.parked("a")!;
    await subscription.change(async () => {
      const write = subscription.aside.turn(strand, { phase: "redriving", attempts: 0, error: strand.error });
      return { writes: [write], result: {} };
    });
    await talk.put(0, "a");
    expect(talk.port.last("aside.done")).toMatchObject({ offsets: [0, 1], revision });
    await bench.restart();
    expect((await bench.subscribe()).aside.parked("a")).toMatchObject({ phase: "redriving", revision });
  });
  it("repeated, names its own change and what went in it, whatever of its key went since, over a restart too", async () => {
    const { bench, subscription, talk } = await held(["a", "a", "a"]);
    await talk.put(1, "a");
    const first = talk.port.last("aside.done");
    await talk.put(0, "a"); // its settle was lost with a lease
    const second = talk.port.last("aside.done");
    bench.append(["a"]);
    await bench.settle();
    expect(subscription.aside.parked("a")?.offsets).toEqual([0, 1, 2, 3]);
    const repeats = async (of: Talk) => {
      await of.put(1, "a");
      expect(of.port.last("aside.done")).toMatchObject({ offsets: [1, 2], revision: first.revision });
      await of.put(0, "a");
      expect(of.port.last("aside.done")).toMatchObject({ offsets: [0], revision: second.revision });
      await of.put(3, "a"); // nobody asked for it: it was set behind the others as the queue was read
      expect(of.port.last("aside.done").offsets).toEqual([]);
    };
    await repeats(talk);
    await bench.restart();
    await repeats(await Talk.hold(bench, await bench.subscribe()));
  });
  it("repeated, names the change that its strand was stored with, where messages were stored without one", async () => {
    const { bench, subscription, talk } = await held(["a", "a"]);
    await talk.put(0, "a");
    const { revision } = talk.port.last("aside.done");
    const { id } = subscription.aside.parked("a")!;
    const writes = [0, 1].map((at) => {
      const value = encodeRecord([bench.runtime.wallNow(), message("a")]);
      return { kind: "put", key: storeKeys.entry("t", 0, "g", id, at), value } as const;
    });
    await bench.store.writer().commit(writes).flushed;
    await bench.restart();
    const again = await Talk.hold(bench, await bench.subscribe());
    await again.put(0, "a");
    expect(again.port.last("aside.done")).toMatchObject({ offsets: [0, 1], revision });
  });
  it("repeated when it has been dealt with since, names nothing", async () => {
    const { subscription, talk } = await held(["a", "a", "b"]);
    await talk.put(0, "a");
    const strand = subscription.aside.parked("a")!;
    await subscription.change(async () => {
      const writes = [0, 1].flatMap((at) => subscription.aside.take(subscription.state, strand, at));
      for (const at of [0, 1]) subscription.state.discard(at);
      return { writes, result: {} };
    });
    await talk.put(0, "a");
    expect(talk.port.last("aside.done").offsets).toEqual([]);
  });
  it("is refused for what was never delivered, under another epoch, and with a key that is not the message's", async () => {
    const { subscription, talk } = await held(["a", "b"]);
    await talk.put(7, "a");
    expect(talk.port.last("refused").error.code).toBe("PROTOCOL_VIOLATION");
    await talk.put(0, "wrong");
    expect(talk.port.last("refused").error.code).toBe("PROTOCOL_VIOLATION");
    await talk.put(0, "a", { epoch: (talk.epoch - 1) as never });
    expect(talk.port.last("refused").error.code).toBe("STALE_EPOCH");
    expect(subscription.aside.messages).toBe(0);
    expect(subscription.account().backlog).toBe(2);
  });
  it("delivers nothing of the key while the parked ones are being read", async () => {
    const { bench, subscription, talk } = await held(["a"]);
    const parking = talk.put(0, "a");
    bench.append(["a", "b"]);
    subscription.flushed();
    await parking;
    await bench.settle();
    expect(talk.port.delivered).toEqual([0, 2]);
  });
  it("of a key without followers leaves other messages where they are", async () => {
    const { subscription, talk } = await held(["a", "b"], {}, {});
    await talk.put(1, "b");
    expect(subscription.account()).toMatchObject({ deadLettered: [1], cursor: 0, backlog: 1 });
  });
  it("as dead letter sets it alone aside: successors run on", async () => {
    const { bench, subscription, talk } = await held(["a", "a"]);
    await talk.put(0, "a", { kind: "dead-letter" });
    bench.append(["a"]);
    await bench.settle();
    expect(talk.port.delivered).toEqual([0, 1, 2]);
    expect(subscription.account()).toMatchObject({ deadLettered: [0], parked: [], backlog: 2, cursor: 1 });
  });
});

describe("redrive", () => {
  it("runs the key's messages in order, new ones at the tail, and opens the key with the last of them", async () => {
    const { bench, subscription, talk } = await held(["a", "a"]);
    await talk.put(0, "a");
    await redrive(subscription, "a");
    await bench.settle();
    bench.append(["a", "b"]);
    await bench.settle();
    expect(talk.port.redelivered).toEqual([0, 1, 2]);
    expect(talk.port.delivered).toEqual([0, 1, 3]);
    const strand = talk.port.last("redeliver").entries[0]!.strand;
    for (const at of [0, 1, 2] as never[]) {
      await talk.settle([], { redriven: [{ strand, offset: at }] });
      expect(accountProblem(subscription)).toBeNull();
    }
    expect(subscription.aside.parked("a")).toBeUndefined();
    bench.append(["a"]);
    await bench.settle();
    expect(talk.port.delivered).toEqual([0, 1, 3, 4]);
    expect(subscription.account()).toMatchObject({ settled: 3, backlog: 2, deadLettered: [], parked: [] });
  });
  it("puts a message that fails again back to the head, and the key waits", async () => {
    const { bench, subscription, talk } = await held(["a", "a"]);
    await talk.put(0, "a");
    await redrive(subscription, "a");
    await bench.settle();
    const strand = talk.port.last("redeliver").entries[0]!.strand;
    await talk.settle([], { redriven: [{ strand, offset: 0 as never }] });
    await talk.put(1, "a", { redriven: { strand, offset: 1 as never } });
    bench.append(["a"]);
    await bench.settle();
    expect(subscription.aside.parked("a")).toMatchObject({ phase: "waiting", offsets: [1, 2], attempts: 3 });
    expect(subscription.account()).toMatchObject({ settled: 1, deadLettered: [1], parked: [2] });
    expect(talk.port.redelivered).toEqual([0, 1]);
    await redrive(subscription, "a");
    await bench.settle();
    expect(talk.port.redelivered).toEqual([0, 1, 1, 2]);
  });
  it("goes on under the next lease, with the attempts and losses of its head", async () => {
    const { bench, subscription, talk } = await held(["a", "a"]);
    await talk.put(0, "a");
    await redrive(subscription, "a");
    await bench.settle();
    const strand = talk.port.last("redeliver").entries[0]!.strand;
    await talk.settle([], { redrivenTried: [{ strand, offset: 0 as never, attempts: 2 }] });
    await bench.runtime.advance(10_000);
    const next = await Talk.hold(bench, subscription, "d");
    expect(next.port.last("redeliver").entries).toMatchObject([
      { offset: 0, attempts: 2, losses: 1 },
      { offset: 1, attempts: 0, losses: 0 },
    ]);
  });
  it("keeps frames small, however large the messages, and honours byte credit", async () => {
    const bench = await QueueBench.open();
    const subscription = await bench.subscribe();
    const talk = await Talk.hold(bench, subscription);
    bench.appendMessages(Array.from({ length: 6 }, () => message("a", 200_000)));
    await bench.settle();
    await talk.put(0, "a");
    await redrive(subscription, "a");
    await bench.settle();
    const frames = talk.port.all("redeliver");
    expect(frames.map((frame) => frame.entries.length)).toEqual([1, 1, 1, 1, 1, 1]);
    await talk.release();
    const next = new Talk(bench, subscription, new FakePort("d"));
    await next.acquire();
    next.epoch = next.port.last("lease.granted").epoch;
    await next.credit(10, 250_000);
    expect(next.port.redelivered).toEqual([0]);
    await next.credit(10, 450_000);
    expect(next.port.redelivered).toEqual([0, 1]);
  });
  it("sends messages captured while the strand runs as soon as they are stored", async () => {
    const { bench, subscription, talk } = await held(["a"]);
    await talk.put(0, "a");
    await redrive(subscription, "a");
    await bench.settle();
    let release = () => {};
    bench.disk.beforeApply = (writes) =>
      writes.some((write) => write.kind === "put" && write.key.startsWith("se/"))
        ? new Promise((resolve) => (release = resolve))
        : undefined;
    bench.append(["a"]);
    await bench.settle();
    expect(talk.port.redelivered).toEqual([0]);
    bench.disk.beforeApply = undefined;
    release();
    await bench.settle();
    expect(talk.port.redelivered).toEqual([0, 1]);
  });
});

describe("the limit of what is set aside", () => {
  it("halts the queue rather than overtake, and tells it in the refusal", async () => {
    const { bench, subscription, talk } = await held(["a", "a", "b"], { parkedMessagesMax: 1 });
    await talk.put(0, "a");
    expect(talk.port.last("refused").error.code).toBe("LIMIT_EXCEEDED");
    expect(subscription.state.halt?.offset).toBe(0);
    bench.append(["b"]);
    await bench.settle();
    expect(talk.port.delivered).toEqual([0, 1, 2]);
    const both = await storedBeside(bench, subscription);
    expect(both.memory).toBe(both.store);
  });
  it("stands at its message although a place becomes free and the same is asked again", async () => {
    const { bench, subscription, talk } = await held(["a", "b"], { parkedMessagesMax: 1 });
    await talk.put(0, "a");
    await talk.put(1, "b");
    expect(subscription.state.halt?.offset).toBe(1);
    const strand = [...subscription.aside.strands()][0]!;
    const discarded = subscription.change(async () => {
      const writes = subscription.aside.take(subscription.state, strand, 0);
      subscription.state.discard(0);
      return { writes, result: {} };
    });
    await Promise.all([discarded, bench.settle()]);
    await talk.put(1, "b");
    expect(talk.port.last("refused").error.code).toBe("LIMIT_EXCEEDED");
    expect(subscription.state.halt?.offset).toBe(1);
    expect(subscription.account()).toMatchObject({ deadLettered: [], discarded: [0], backlog: 1, halted: true });
  });
  it("halts at the first later message that does not fit", async () => {
    const { bench, subscription, talk } = await held(["a"], { parkedMessagesMax: 2 });
    await talk.put(0, "a");
    bench.append(["a", "a", "b"]);
    await bench.settle();
    expect(subscription.state.halt).toMatchObject({ offset: 2, key: "a" });
    expect(subscription.account()).toMatchObject({ parked: [1], backlog: 2, halted: true });
    expect(talk.port.delivered).toEqual([0]);
    expect(accountProblem(subscription)).toBeNull();
  });
});

describe("halt", () => {
  it("stands still over leases and restarts until it is ended, then goes on under a new epoch", async () => {
    const { bench, subscription, talk } = await held(["a", "b"]);
    await talk.put(0, "a", { kind: "halt" });
    bench.append(["b"]);
    await bench.settle();
    expect(talk.port.delivered).toEqual([0, 1]);
    await talk.release();
    await bench.restart();
    const again = await bench.subscribe();
    const next = await Talk.hold(bench, again, "d");
    expect(next.port.delivered).toEqual([]);
    await again.change(async () => {
      again.state.halt = null;
      again.state.discard(0);
      return { writes: [], result: {}, after: () => again.lease.revoke() };
    });
    expect(next.port.all("lease.revoke")).toHaveLength(1); // what still runs of other keys ends first
    await next.release();
    const last = await Talk.hold(bench, again, "d");
    expect(last.epoch).toBeGreaterThan(next.epoch);
    expect(last.port.delivered).toEqual([1, 2]);
    expect(subscription.path).toBe(again.path);
  });
  it("ended while nobody holds the lease, is ended in the store too", async () => {
    const { bench, subscription, talk } = await held(["a"]);
    await talk.put(0, "a", { kind: "halt" });
    await talk.release();
    await subscription.change(async () => {
      subscription.state.halt = null;
      return { writes: [], result: {}, after: () => subscription.lease.revoke() };
    });
    await bench.restart();
    expect((await bench.subscribe()).state.halt).toBeNull();
  });
});

describe("a failed commit of something set aside", () => {
  it("leaves memory as the store has it; the key is delivered again under the next lease", async () => {
    const { bench, subscription, talk } = await held(["a", "a", "b"]);
    bench.disk.beforeApply = (writes) => {
      if (writes.some((write) => write.kind === "put" && write.key.startsWith("st/"))) throw new Error("disk");
    };
    await talk.put(0, "a");
    await bench.settle();
    expect(talk.port.last("refused").error.code).toBe("STORE_FAILED");
    expect(talk.port.last("lease.ended").reason).toBe("fenced");
    bench.disk.beforeApply = undefined;
    await bench.runtime.advance(1_000);
    expect(subscription.aside.messages).toBe(0);
    const next = await Talk.hold(bench, subscription, "c");
    expect(next.epoch).toBeGreaterThan(talk.epoch);
    expect(next.port.delivered).toEqual([0, 1, 2]);
    const both = await storedBeside(bench, subscription);
    expect(both.memory).toBe(both.store);
  });
  it("of a discard lets nothing of the key run ahead", async () => {
    const { bench, subscription, talk } = await held(["a"]);
    await talk.put(0, "a");
    bench.disk.beforeApply = async (writes) => {
      if (writes.some((write) => write.kind === "remove")) {
        await Promise.resolve();
        throw new Error("disk");
      }
    };
    const discarded = subscription.change(async () => {
      const strand = subscription.aside.parked("a")!;
      const writes = subscription.aside.take(subscription.state, strand, 0);
      subscription.state.discard(0);
      return { writes, result: {} };
    });
    const refused = expect(discarded).rejects.toThrow("disk");
    bench.append(["a"]);
    await bench.settle();
    await refused;
    bench.disk.beforeApply = undefined;
    await bench.runtime.advance(1_000);
    expect(talk.port.delivered).toEqual([0]);
    expect(subscription.account()).toMatchObject({ deadLettered: [0], discarded: [] });
    const next = await Talk.hold(bench, subscription, "c");
    expect(next.port.delivered).toEqual([]);
    expect(subscription.aside.parked("a")?.offsets).toEqual([0, 1]);
  });
});
