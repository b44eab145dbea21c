import fc from "fast-check";
import { expect, it } from "vitest";
import { epoch } from "../message/brands.ts";
import { accountProblem, FakePort, QueueBench, settlement, storedBeside, Talk } from "../queue/queue.fixture.ts";

const step = fc.oneof(
  fc.record({
    do: fc.constant("append" as const),
    keys: fc.array(fc.constantFrom("a", "b", "c"), { minLength: 1, maxLength: 4 }),
  }),
  fc.record({ do: fc.constant("settle" as const), at: fc.nat(30), count: fc.integer({ min: 1, max: 4 }) }),
  fc.record({ do: fc.constant("tried" as const), at: fc.nat(30), attempts: fc.nat(3) }),
  fc.record({ do: fc.constantFrom("park" as const, "dead-letter" as const, "halt" as const), at: fc.nat(30) }),
  fc.record({
    do: fc.constantFrom("redrive" as const, "discard" as const, "skip" as const),
    key: fc.constantFrom("a", "b", "c"),
  }),
  fc.record({ do: fc.constantFrom("settleRedriven" as const, "putBack" as const), nth: fc.nat(3) }),
  fc.record({
    do: fc.constantFrom(
      "release" as const,
      "expire" as const,
      "relink" as const,
      "raise" as const,
      "restart" as const,
      "drop" as const,
      "failNext" as const,
    ),
  }),
);
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

/**
 * What must hold of a key, whoever failed: its set-aside messages are one run in order, and nothing newer of it was
 * settled.
 */
async function play(steps: readonly Step[]): Promise<void> {
  const bench = await QueueBench.open({ retention: { dropUnsettled: true, ageMs: 1e12 } });
  let subscription = await bench.subscribe();
  const keys: string[] = [];
  let talk = await Talk.hold(bench, subscription);
  let instance = 0;
  const hold = async () => {
    if (subscription.lease.isHeld && subscription.lease.holder?.instance === talk.port.instance && talk.port.open)
      return;
    await bench.runtime.advance(11_000);
    talk = new Talk(bench, subscription, new FakePort(`c${++instance}`));
    await talk.acquire();
    talk.epoch = talk.port.all("lease.granted").at(-1)?.epoch ?? epoch(0);
    await talk.credit();
  };
  for (const one of steps) {
    switch (one.do) {
      case "append":
        bench.append(one.keys);
        if (bench.answers.at(-1)?.type === "batch.appended") keys.push(...one.keys);
        break;
      case "settle":
        await talk.settle([[one.at, Math.min(one.at + one.count, keys.length)]]);
        break;
      case "tried":
        await talk.settle([], { tried: [[one.at, one.attempts]] });
        break;
      case "park":
      case "dead-letter":
      case "halt":
        await talk.put(one.at, keys[one.at] ?? "a", { kind: one.do });
        break;
      case "redrive":
      case "discard":
      case "skip": {
        const change = subscription.change(async () => {
          const strand = subscription.aside.parked(one.key);
          if (strand === undefined) return { writes: [], result: {} };
          if (one.do === "redrive") {
            if (strand.phase === "redriving") return { writes: [], result: {} };
            const write = subscription.aside.turn(strand, { phase: "redriving", attempts: 0, error: strand.error });
            return { writes: [write], result: {}, after: () => subscription.lease.flow?.redrive(strand.id) };
          }
          const gone = one.do === "skip" ? strand.offsets.slice(0, 1) : [...strand.offsets];
          const writes = gone.flatMap((at) => {
            const taken = subscription.aside.take(subscription.state, strand, at);
            subscription.state.discard(at);
            return taken;
          });
          return { writes, result: {} };
        });
        await Promise.all([change.catch(() => {}), bench.settle()]);
        break;
      }
      case "settleRedriven":
      case "putBack": {
        const sent = talk.port.all("redeliver").flatMap(({ entries }) => entries);
        const entry = sent[one.nth];
        if (entry === undefined) break;
        const { strand, offset } = entry;
        if (one.do === "settleRedriven") await talk.settle([], { redriven: [{ strand, offset }] });
        else await talk.put(offset, keys[offset] ?? null, { redriven: { strand, offset } });
        break;
      }
      case "release":
        await talk.release();
        await hold();
        break;
      case "expire":
        await bench.runtime.advance(10_000);
        await hold();
        break;
      case "raise":
        await talk.raise();
        talk.epoch = talk.port.all("lease.granted").at(-1)?.epoch ?? talk.epoch;
        await talk.credit();
        break;
      case "relink": {
        const inHand = talk.port.delivered
          .filter((at) => !subscription.state.isDone(at))
          .map((at) => [at, at + 1] as const);
        talk.port.open = false;
        talk.port = new FakePort(talk.port.instance);
        await talk.acquire({ epoch: talk.epoch, settle: settlement([]), inHand, redrivenInHand: [] });
        await talk.credit();
        if (talk.port.all("lease.granted").length === 0) await hold();
        break;
      }
      case "restart":
        await bench.restart();
        subscription = await bench.subscribe();
        await hold();
        break;
      case "drop":
        if (subscription.state.cursor + 2 < bench.queue.log.flushedEnd)
          await bench.runtime.run(subscription.expire(subscription.state.cursor + 2));
        break;
      case "failNext":
        bench.disk.beforeApply = (writes) => {
          if (!writes.some((write) => write.kind === "put" && write.key.startsWith("s/"))) return;
          bench.disk.beforeApply = undefined;
          throw new Error("disk");
        };
        await bench.runtime.run(subscription.change(async () => ({ writes: [], result: {} })).catch(() => {}));
        await bench.runtime.advance(1_000);
        await hold();
        break;
    }
    await bench.settle();
    expect(accountProblem(subscription)).toBeNull();
    for (const strand of subscription.aside.strands()) {
      expect(strand.offsets).toEqual([...strand.offsets].sort((a, b) => a - b));
      for (const at of strand.offsets) expect(keys[at]).toBe(strand.key);
      if (strand.kind === "parked") {
        // P6: nothing newer of a parked key has been delivered past it and is still waiting to run
        const head = strand.offsets[0]!;
        const open = keys.flatMap((key, at) =>
          key === strand.key &&
          at > head &&
          at < (subscription.lease.flow?.deliveredEnd ?? 0) &&
          !subscription.state.isDone(at)
            ? [at]
            : [],
        );
        expect(open).toEqual([]);
      }
    }
  }
  const both = await storedBeside(bench, subscription);
  expect(both.memory).toBe(both.store);
  expect(bench.told.filter((text) => text.includes("Error"))).toEqual([]);
}

it("keeps every offset in exactly one class, and memory equal to the store, whatever happens in whatever order", async () => {
  await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), play), { numRuns: 120 });
});
