// The subscription beside a reference model: in which class every offset is, and how often it was tried, whoever holds
// the lease.
import fc from "fast-check";
import { expect, it } from "vitest";
import { FakePort, QueueBench, Talk } from "../queue/queue.fixture.ts";

type Class = "backlog" | "settled" | "deadLettered" | "parked" | "discarded";

/** Every offset in one class. All that is appended is delivered at once: the holder has credit for everything. */
class Model {
  readonly keys: string[] = [];
  readonly classes: Class[] = [];
  readonly tried = new Map<number, number>();
  readonly parked = new Set<string>();

  append(keys: readonly string[]): void {
    for (const key of keys) {
      this.keys.push(key);
      this.classes.push(this.parked.has(key) ? "parked" : "backlog");
    }
  }
  settle(from: number, to: number): void {
    for (let at = from; at < Math.min(to, this.keys.length); at++)
      if (this.classes[at] === "backlog") this.#leave(at, "settled");
  }
  try(at: number, attempts: number): void {
    if (this.classes[at] === "backlog") this.tried.set(at, Math.max(attempts, this.tried.get(at) ?? 0));
  }
  park(key: string): void {
    const head = this.first(key);
    this.#leave(head, "deadLettered");
    this.parked.add(key);
    for (const at of this.#all(key, "backlog")) this.#leave(at, "parked");
  }
  deadLetter(key: string): void {
    this.#leave(this.first(key), "deadLettered");
  }
  /** The whole strand of a parked key is given up, or has run. */
  end(strand: readonly number[], as: "discarded" | "settled", key: string): void {
    for (const at of strand) this.#leave(at, as);
    this.parked.delete(key);
  }
  /** The oldest of the key that waits; −1 if none does. */
  first(key: string): number {
    return this.#all(key, "backlog")[0] ?? -1;
  }
  of(wanted: Class): number[] {
    return this.classes.flatMap((one, at) => (one === wanted ? [at] : []));
  }
  get cursor(): number {
    const first = this.classes.indexOf("backlog");
    return first < 0 ? this.classes.length : first;
  }
  #all(key: string, wanted: Class): number[] {
    return this.of(wanted).filter((at) => this.keys[at] === key);
  }
  #leave(at: number, to: Class): void {
    this.classes[at] = to;
    this.tried.delete(at);
  }
}

const key = fc.constantFrom("a", "b", "c");
const step = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant("append" as const), keys: fc.array(key, { minLength: 1, maxLength: 4 }) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant("settle" as const), at: fc.nat(25), count: fc.integer({ min: 1, max: 4 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant("try" as const), at: fc.nat(25), attempts: fc.integer({ min: 1, max: 4 }) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constantFrom("park" as const, "dead-letter" as const, "discard" as const, "redrive" as const),
      key,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constantFrom("raise" as const, "release" as const, "expire" as const, "restart" as const, "fail" as const),
    }),
  },
);
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

async function play(steps: readonly Step[]): Promise<void> {
  const bench = await QueueBench.open();
  let subscription = await bench.subscribe();
  const model = new Model();
  let instance = 0;
  let talk: Talk;
  let epoch = 0;
  const hold = async () => {
    await bench.runtime.advance(11_000); // whoever held it is over
    talk = new Talk(bench, subscription, new FakePort(`c${instance++}`));
    await talk.acquire();
    talk.epoch = talk.port.last("lease.granted").epoch;
    expect(talk.epoch).toBeGreaterThan(epoch); // P7
    epoch = talk.epoch;
    await talk.credit();
  };
  /** What was never delivered cannot be settled: at the end of the log that is what was parked behind its head. */
  const delivered = (): number => subscription.lease.flow?.deliveredEnd ?? 0;
  await hold();
  for (const one of steps) {
    switch (one.do) {
      case "append":
        bench.append(one.keys);
        await bench.settle();
        model.append(one.keys);
        break;
      case "settle":
        if (one.at >= delivered()) break;
        await talk!.settle([[one.at, Math.min(one.at + one.count, delivered())]]);
        model.settle(one.at, Math.min(one.at + one.count, delivered()));
        break;
      case "try":
        if (model.classes[one.at] !== "backlog") break;
        await talk!.settle([], { tried: [[one.at, one.attempts]] });
        model.try(one.at, one.attempts);
        break;
      case "park":
      case "dead-letter": {
        const head = model.first(one.key);
        if (head < 0 || model.parked.has(one.key)) break;
        await talk!.put(head, one.key, { kind: one.do });
        if (one.do === "park") model.park(one.key);
        else model.deadLetter(one.key);
        break;
      }
      case "discard":
      case "redrive": {
        const strand = subscription.aside.parked(one.key);
        expect(strand !== undefined).toBe(model.parked.has(one.key));
        if (strand === undefined) break;
        const offsets = [...strand.offsets];
        expect(offsets).toEqual([...offsets].sort((a, b) => a - b));
        const change = subscription.change(async () => {
          if (one.do === "redrive") {
            const write = subscription.aside.turn(strand, { phase: "redriving", attempts: 0, error: strand.error });
            return { writes: [write], result: {}, after: () => subscription.lease.flow?.redrive(strand.id) };
          }
          const writes = offsets.flatMap((at) => {
            const taken = subscription.aside.take(subscription.state, strand, at);
            subscription.state.discard(at);
            return taken;
          });
          return { writes, result: {} };
        });
        await Promise.all([change, bench.settle()]);
        if (one.do === "redrive") {
          const before = talk!.port.redelivered.length;
          for (const offset of offsets)
            await talk!.settle([], { redriven: [{ strand: strand.id, offset: offset as never }] });
          expect(before).toBeGreaterThan(0);
        }
        model.end(offsets, one.do === "redrive" ? "settled" : "discarded", one.key);
        break;
      }
      case "raise":
        await talk!.raise();
        talk!.epoch = talk!.port.last("lease.granted").epoch;
        epoch = talk!.epoch;
        await talk!.credit();
        break;
      case "release":
        await talk!.release();
        await hold();
        break;
      case "expire":
        await hold();
        break;
      case "restart":
        await bench.restart();
        subscription = await bench.subscribe();
        await hold();
        break;
      case "fail": // what a failed commit would have settled is not settled
        if (!model.of("backlog").some((at) => at < delivered())) break;
        bench.disk.beforeApply = () => {
          bench.disk.beforeApply = undefined;
          throw new Error("disk");
        };
        await talk!.settle([[0, delivered()]]);
        await hold();
        break;
    }
    const { settledRanges, ...account } = subscription.account();
    expect(account).toMatchObject({
      end: model.keys.length,
      cursor: model.cursor,
      settled: model.of("settled").length,
      backlog: model.of("backlog").length,
      deadLettered: model.of("deadLettered"),
      parked: model.of("parked"),
      discarded: model.of("discarded"),
    });
    const above = model.of("settled").filter((at) => at >= model.cursor);
    expect(settledRanges.flatMap(([from, to]) => Array.from({ length: to - from }, (_, n) => from + n))).toEqual(above);
    const tried = [...subscription.state.tried].flatMap(([at, { attempts }]) => (attempts > 0 ? [[at, attempts]] : []));
    expect(tried.sort(([a = 0], [b = 0]) => a - b)).toEqual([...model.tried].sort(([a], [b]) => a - b));
  }
}

it("keeps every offset in the class that a list would, through leases, failed commits and restarts", async () => {
  await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 25 }), play), { numRuns: 200 });
});
