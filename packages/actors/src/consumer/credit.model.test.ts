// Credit at both ends: the consumer's totals beside a real subscription that delivers by them, with credits lost, repeated, and resumed leases.
import fc from "fast-check";
import { expect, it } from "vitest";
import { FakePort, message, QueueBench, settlement, Talk } from "../queue/queue.fixture.ts";
import { Credit } from "./credit.ts";

const MESSAGES = 6;
const BYTES = 2_000;
const step = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("append" as const),
      sizes: fc.array(fc.oneof(fc.nat(400), fc.nat(4_000)), { minLength: 1, maxLength: 5 }),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("handle" as const), count: fc.integer({ min: 1, max: 4 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom("raise" as const, "relink" as const, "repeat" as const) }) },
);
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

async function play(steps: readonly Step[]): Promise<void> {
  const bench = await QueueBench.open();
  const subscription = await bench.subscribe();
  const talk = new Talk(bench, subscription, new FakePort("c"));
  const lengths: number[] = [];
  const credit = new Credit(MESSAGES, BYTES);
  /** Delivered and not settled, in order. */
  const inHand: number[] = [];
  let delivered = 0;
  let told = { messages: 0, bytes: 0 };

  const receive = () => {
    for (const offset of talk.port.delivered.splice(0)) {
      expect(offset).toBe(delivered++); // in order, each once
      inHand.push(offset);
    }
    talk.port.frames.splice(0);
  };
  const bytesInHand = () => inHand.reduce((sum, offset) => sum + (lengths[offset] as number), 0);
  const tell = async () => {
    const totals = credit.take();
    if (totals !== null) {
      expect(totals.messages).toBeGreaterThanOrEqual(told.messages);
      expect(totals.bytes).toBeGreaterThanOrEqual(told.bytes);
      told = totals;
      await talk.credit(totals.messages, totals.bytes);
    }
    receive();
    expect(inHand.length).toBeLessThanOrEqual(MESSAGES);
    if (inHand.length > 1) expect(bytesInHand()).toBeLessThanOrEqual(BYTES); // a message that is larger comes alone
  };
  const begin = async (epoch: Talk["epoch"]) => {
    talk.epoch = epoch;
    receive();
    credit.restart(inHand.length, bytesInHand());
    told = { messages: 0, bytes: 0 };
    await tell();
  };
  const handle = async (count: number) => {
    const done = inHand.splice(0, count);
    for (const offset of done) credit.left(lengths[offset] as number);
    if (done.length > 0) await talk.settle([[done[0] as number, (done.at(-1) as number) + 1]]);
    await tell();
  };
  await talk.acquire();
  await begin(talk.port.last("lease.granted").epoch);
  for (const one of steps) {
    switch (one.do) {
      case "append": {
        const messages = one.sizes.map((bytes) => message(`k${bytes % 3}`, bytes));
        lengths.push(...messages.map((packed) => packed.length));
        bench.appendMessages(messages);
        await bench.settle();
        await tell();
        break;
      }
      case "handle":
        await handle(one.count);
        break;
      case "repeat": // an older total that comes late changes nothing
        await talk.credit(Math.floor(told.messages / 2), Math.floor(told.bytes / 2));
        await tell();
        break;
      case "raise": {
        await talk.raise();
        await begin(talk.port.last("lease.granted").epoch);
        break;
      }
      case "relink": {
        receive();
        talk.port.open = false;
        talk.port = new FakePort("c");
        const ranges = inHand.map((offset) => [offset, offset + 1] as const);
        await talk.acquire({ epoch: talk.epoch, settle: settlement([]), inHand: ranges, redrivenInHand: [] });
        await begin(talk.epoch);
        break;
      }
    }
  }
  for (let left = lengths.length; left >= 0 && delivered < lengths.length; left--) await handle(MESSAGES);
  expect(delivered).toBe(lengths.length); // never stuck, whatever the sizes
}

it("never holds more than the window, and never gets stuck", async () => {
  await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 30 }), play), { numRuns: 100 });
});
