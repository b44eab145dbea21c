import { describe, expect, it, vi } from "vitest";
import { epoch, offset } from "../message/brands.ts";
import type { MemberJoin, OffsetRange, Settlement } from "../protocol/frames.ts";
import { accountProblem, FakePort, failure, QueueBench, settlement, storedBeside } from "../queue/queue.fixture.ts";
import type { SharedSubscription } from "./shared-subscription.ts";

const EPOCH = epoch(0);
async function shared(keys: readonly (string | null)[], spec = {}) {
  const bench = await QueueBench.open({ ordered: false, ...spec });
  const subscription = await bench.share();
  bench.append(keys);
  await bench.settle();
  return { bench, subscription };
}
async function join(
  bench: QueueBench,
  subscription: SharedSubscription,
  name: string,
  messages = 100,
  how: Partial<MemberJoin> = {},
) {
  const port = new FakePort(name, how);
  subscription.join(port);
  subscription.credit(port, { type: "credit", member: 1, queue: 0, epoch: EPOCH, messages, bytes: 1e9 });
  await bench.settle();
  return port;
}
async function settle(
  bench: QueueBench,
  subscription: SharedSubscription,
  port: FakePort,
  ranges: readonly OffsetRange[],
  rest: Partial<Settlement> = {},
) {
  subscription.settle(port, {
    type: "settle",
    member: 1,
    queue: 0,
    epoch: EPOCH,
    settle: 0,
    settlement: settlement(ranges, rest),
  });
  await bench.settle();
}
async function deadLetter(bench: QueueBench, subscription: SharedSubscription, port: FakePort, at: number) {
  const frame = {
    type: "aside.put",
    request: 1,
    member: 1,
    queue: 0,
    epoch: EPOCH,
    kind: "dead-letter",
    offset: offset(at),
    key: null,
    redriven: null,
    attempts: 3,
    error: failure,
  } as const;
  subscription.asidePut(port, frame);
  await bench.settle();
}

describe("an unordered queue", () => {
  it("gives each message to one member, within its credit, and what is left to the next", async () => {
    const { bench, subscription } = await shared(Array.from({ length: 80 }, () => null));
    const one = await join(bench, subscription, "one", 10);
    const two = await join(bench, subscription, "two", 100);
    expect(one.delivered).toHaveLength(10);
    expect(one.last("lease.granted")).toMatchObject({ request: null, epoch: 0 });
    expect([...one.delivered, ...two.delivered].sort((a, b) => a - b)).toEqual(
      Array.from({ length: 80 }, (_, at) => at),
    );
  });
  it("brings a failed message back after its backoff, to anybody, with its attempts", async () => {
    const { bench, subscription } = await shared([null, null]);
    const one = await join(bench, subscription, "one");
    await settle(bench, subscription, one, [[1, 2]], { tried: [[0, 2]] });
    await bench.runtime.advance(150);
    expect(one.delivered).toEqual([0, 1]);
    await bench.runtime.advance(350);
    expect(one.delivered).toEqual([0, 1, 0]);
    expect(one.last("deliver").tried).toEqual([[0, 2, 0]]);
  });
  it("brings back what a member that has gone, or is too slow, had; that counts as a loss, leaving does not", async () => {
    const { bench, subscription } = await shared([null, null, null]);
    const slow = await join(bench, subscription, "slow", 1, { invisibleMs: 1_000 });
    const gone = await join(bench, subscription, "gone", 1);
    const leaves = await join(bench, subscription, "leaves", 1);
    gone.open = false;
    subscription.linkEnded(gone);
    leaves.open = false;
    subscription.left(leaves);
    const heir = await join(bench, subscription, "heir");
    await bench.runtime.advance(2_000);
    expect([...heir.delivered].sort()).toEqual([0, 1, 2]);
    expect([0, 1, 2].map((at) => subscription.state.tried.get(at)?.losses ?? 0)).toEqual([1, 1, 0]);
    expect(slow.delivered).toEqual([0]);
  });
  it("sets a dead letter aside; redriven, it runs again and is settled once", async () => {
    const { bench, subscription } = await shared([null, null]);
    const port = await join(bench, subscription, "one");
    await deadLetter(bench, subscription, port, 0);
    expect(subscription.account()).toMatchObject({ deadLettered: [0], backlog: 1, cursor: 1 });
    const strand = [...subscription.aside.strands()][0]!;
    await Promise.all([
      subscription.change(async () => ({
        writes: [subscription.aside.turn(strand, { phase: "redriving", attempts: 0, error: failure })],
        result: {},
      })),
      bench.settle(),
    ]);
    await bench.settle();
    expect(port.redelivered).toEqual([0]);
    await settle(bench, subscription, port, [[1, 2]], { redriven: [{ strand: strand.id, offset: offset(0) }] });
    expect(subscription.account()).toMatchObject({ settled: 2, deadLettered: [], backlog: 0 });
    expect(accountProblem(subscription)).toBeNull();
  });
  it("asked again for a dead letter, by anybody who was given it, names the change in which it went; nothing once it is dealt with", async () => {
    const { bench, subscription } = await shared(["a"]);
    const one = await join(bench, subscription, "one", 100, { invisibleMs: 1_000 });
    await bench.runtime.advance(2_000); // it took too long
    const two = await join(bench, subscription, "two");
    await deadLetter(bench, subscription, two, 0);
    await deadLetter(bench, subscription, one, 0);
    const { revision } = two.last("aside.done");
    expect(one.last("aside.done")).toMatchObject({ offsets: [0], revision });
    await subscription.change(async () => {
      const writes = subscription.aside.take(subscription.state, [...subscription.aside.strands()][0]!, 0);
      subscription.state.discard(0);
      return { writes, result: {} };
    });
    await deadLetter(bench, subscription, one, 0);
    expect(one.last("aside.done").offsets).toEqual([]);
  });
  it("refuses to settle or set aside what nobody was given, in no time", async () => {
    const { bench, subscription } = await shared([null]);
    const port = await join(bench, subscription, "one");
    await settle(bench, subscription, port, [[0, Number.MAX_SAFE_INTEGER]]);
    expect(port.last("settle.refused").error.code).toBe("PROTOCOL_VIOLATION");
    await deadLetter(bench, subscription, port, 5);
    expect(port.last("refused").error.code).toBe("PROTOCOL_VIOLATION");
  });
  it("takes a settle of what was given out before a failed commit", async () => {
    const { bench, subscription } = await shared([null, null]);
    const port = await join(bench, subscription, "one", 2);
    bench.disk.beforeApply = () => {
      bench.disk.beforeApply = undefined;
      throw new Error("no more disk");
    };
    await settle(bench, subscription, port, [[0, 1]]);
    expect(port.last("settle.refused").error.code).toBe("STORE_FAILED");
    await settle(bench, subscription, port, [[1, 2]]);
    expect(port.all("settle.refused")).toHaveLength(1);
    expect(subscription.account()).toMatchObject({ settledRanges: [[1, 2]], backlog: 1 });
  });
  it("gives what is redriven before what comes again, which would take all the room", async () => {
    const { bench, subscription } = await shared([null, null, null]);
    const port = await join(bench, subscription, "one", 3);
    await deadLetter(bench, subscription, port, 0);
    const strand = [...subscription.aside.strands()][0]!;
    const order = subscription.change(async () => ({
      writes: [subscription.aside.turn(strand, { phase: "redriving", attempts: 0, error: failure })],
      result: {},
    }));
    await Promise.all([
      order,
      settle(bench, subscription, port, [], {
        tried: [
          [1, 1],
          [2, 1],
        ],
      }),
    ]);
    await bench.runtime.advance(5_000);
    subscription.credit(port, { type: "credit", member: 1, queue: 0, epoch: EPOCH, messages: 4, bytes: 1e9 });
    await bench.settle();
    expect(port.redelivered).toEqual([0]);
    expect(port.delivered).toEqual([0, 1, 2]);
  });
  it("after a failed commit has what the store has: a dead letter that was not stored comes again", async () => {
    const { bench, subscription } = await shared([null, null]);
    const port = await join(bench, subscription, "one");
    bench.disk.beforeApply = () => {
      bench.disk.beforeApply = undefined;
      throw new Error("disk");
    };
    await deadLetter(bench, subscription, port, 0);
    expect(port.last("refused").error.code).toBe("STORE_FAILED");
    await bench.runtime.advance(1_000);
    expect(subscription.account()).toMatchObject({ deadLettered: [], backlog: 2 });
    expect(port.delivered).toEqual([0, 1, 0, 1]);
    const both = await storedBeside(bench, subscription);
    expect(both.memory).toBe(both.store);
  });
  it("goes on after a restart with what was tried", async () => {
    const { bench, subscription } = await shared([null]);
    const port = await join(bench, subscription, "one");
    await settle(bench, subscription, port, [], { tried: [[0, 1]] });
    await bench.restart();
    const after = await bench.share();
    const again = await join(bench, after, "one");
    expect(again.last("deliver").tried).toEqual([[0, 1, 0]]);
    expect(again.delivered).toEqual([0]);
  });
  it("leaves no timer behind", async () => {
    const { bench, subscription } = await shared([null]);
    const port = await join(bench, subscription, "one");
    await settle(bench, subscription, port, [[0, 1]]);
    await bench.runtime.advance(1_000);
    expect(bench.runtime.timers).toBe(0);
    await subscription.close();
  });
  it("gives out what it could not read a moment later, though nothing new comes", async () => {
    const { bench, subscription } = await shared([null]);
    vi.spyOn(bench.queue.log, "read").mockRejectedValueOnce(new Error("not foreseen"));
    const one = await join(bench, subscription, "one");
    expect(one.delivered).toEqual([]);
    await bench.runtime.advance(250);
    expect(one.delivered).toEqual([0]);
  });
  it("goes on looking for overdue messages after a look that threw", async () => {
    const { bench, subscription } = await shared([null]);
    const slow = await join(bench, subscription, "slow", 1, { invisibleMs: 1_000 });
    const trouble = vi.spyOn(subscription.state, "noteTried").mockImplementationOnce(() => {
      throw new Error("not foreseen");
    });
    const heir = await join(bench, subscription, "heir");
    await bench.runtime.advance(3_000);
    expect(trouble).toHaveBeenCalled();
    expect([slow.delivered, heir.delivered]).toEqual([[0], [0]]);
  });
});
