import * as fc from "fast-check";
import { expect, it } from "vitest";
import { TappedBroker } from "../link/tapped-broker.fixture.ts";
import type { Durability } from "../message/brands.ts";
import { isMessagingError, MessagingError } from "../message/errors.ts";
import { topic, typed } from "../message/topic.ts";
import type { ProducerOptions } from "./producer-api.ts";

const moves = topic("moves", { schema: typed<{ game: string }>(), key: (body) => body.game, queues: 3 });

interface Plan {
  readonly seed: number;
  readonly durability: Durability;
  readonly latencyMs: number;
  readonly steps: readonly Step[];
}
type Step =
  | { readonly do: "send"; readonly count: number; readonly keys: number; readonly bytes: number }
  | { readonly do: "wait"; readonly ms: number }
  | { readonly do: "cut" | "crash" | "store" }
  | { readonly do: "refuse"; readonly code: "QUEUE_FULL" | "OUT_OF_SEQUENCE" | "UNAVAILABLE"; readonly times: number }
  | { readonly do: "fail"; readonly times: number }
  | { readonly do: "full"; readonly ms: number }
  | { readonly do: "refuseLane"; readonly times: number }
  | { readonly do: "away"; readonly ms: number }
  | { readonly do: "abort" };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("send" as const),
      count: fc.integer({ min: 1, max: 400 }),
      keys: fc.integer({ min: 1, max: 6 }),
      bytes: fc.constantFrom(10, 10, 3_000),
    }),
  },
  { weight: 5, arbitrary: fc.record({ do: fc.constant("wait" as const), ms: fc.integer({ min: 0, max: 60 }) }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constantFrom("cut" as const, "crash" as const, "store" as const, "abort" as const) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("refuse" as const),
      code: fc.constantFrom("QUEUE_FULL" as const, "OUT_OF_SEQUENCE" as const, "UNAVAILABLE" as const),
      times: fc.integer({ min: 1, max: 5 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("fail" as const), times: fc.integer({ min: 1, max: 5 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("full" as const), ms: fc.integer({ min: 1, max: 500 }) }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("refuseLane" as const), times: fc.integer({ min: 1, max: 3 }) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("away" as const), ms: fc.integer({ min: 1, max: 3_000 }) }) },
);
const plan: fc.Arbitrary<Plan> = fc.record({
  seed: fc.integer(),
  durability: fc.constantFrom<Durability>("memory", "flushed"),
  latencyMs: fc.constantFrom(0, 1, 10, 40),
  steps: fc.array(step, { minLength: 1, maxLength: 25 }),
});

const STORE_MS = 20;

/** Runs a plan against a broker that stores every 20 ms, lets it store at once, and says what came of each send. */
async function run(plan: Plan, options: ProducerOptions) {
  const broker = await TappedBroker.start({ seed: plan.seed, topics: [moves] });
  const { runtime, tap, disk } = broker;
  const client = await broker.connect();
  tap.latencyMs = plan.latencyMs;
  const producer = client.producer(moves, { ...options, durability: plan.durability });
  const called = new Map<string, string[]>();
  const outcomes = new Map<string, string>();
  let stop = new AbortController();
  let refusals = { code: "UNAVAILABLE" as Extract<Step, { do: "refuse" }>["code"], times: 0 };
  let lanes = 0;
  let awayUntil = 0;
  tap.refuse("batch.append", () => (refusals.times-- > 0 ? { code: refusals.code, retryAfterMs: 20 } : null));
  tap.refuse("lane.open", () => (lanes-- > 0 ? "UNAVAILABLE" : null));
  tap.onDial = () => (runtime.now() < awayUntil ? new MessagingError("UNAVAILABLE", "away") : null);
  let n = 0;
  const send = (key: number, bytes: number, signal?: AbortSignal) => {
    const id = `${n++}`;
    const game = `g${key}`;
    called.set(game, [...(called.get(game) ?? []), id]);
    producer.send({ game }, { id, headers: { pad: "x".repeat(bytes) }, signal }).then(
      () => outcomes.set(id, "sent"),
      (error: unknown) => outcomes.set(id, isMessagingError(error) ? error.code : `not ours: ${String(error)}`),
    );
  };
  for (let key = 0; key < 6; key++) send(key, 10);
  await runtime.advance(300); // the lanes are open
  let storing = broker.holdStore();
  const store = () => {
    storing();
    runtime.atTurnEnd(() => {
      storing = broker.holdStore();
    });
  };
  let isHealed = false;
  const storeNowAndThen = () => {
    if (isHealed) return storing();
    store();
    runtime.setTimeout(storeNowAndThen, STORE_MS);
  };
  runtime.setTimeout(storeNowAndThen, STORE_MS);
  const { capacityBytes } = disk;
  for (const one of plan.steps) {
    if (one.do === "send")
      for (let sent = 0; sent < one.count; sent++)
        send(Math.floor(runtime.random() * one.keys), one.bytes, runtime.random() < 0.1 ? stop.signal : undefined);
    else if (one.do === "wait") await runtime.advance(one.ms);
    else if (one.do === "cut") tap.cut();
    else if (one.do === "crash") await broker.crash();
    else if (one.do === "store") store();
    else if (one.do === "refuse") refusals = { ...one };
    else if (one.do === "fail") {
      let left = one.times;
      disk.beforeApply = () => {
        if (left-- > 0) throw new Error("the disk failed");
      };
    } else if (one.do === "full") {
      disk.capacityBytes = 1;
      runtime.setTimeout(() => {
        disk.capacityBytes = capacityBytes;
      }, one.ms);
    } else if (one.do === "refuseLane") lanes = one.times;
    else if (one.do === "abort") {
      stop.abort();
      stop = new AbortController();
    } else if (one.do === "away") {
      awayUntil = runtime.now() + one.ms;
      tap.cut();
    }
  }
  isHealed = true;
  await runtime.run(producer.flush(), 600_000);
  await runtime.settle();
  await runtime.advance(20_000); // what the lanes go on with
  await runtime.run(client.close());
  await runtime.advance(1_000); // what was on its way
  expect(broker.clientTimers.size).toBe(0);
  return { broker, called, outcomes };
}

it("P1, P2, P3: whatever happens to links and queues, each key's log is its calls, in order, once", async () => {
  await fc.assert(
    fc.asyncProperty(plan, async (drawn) => {
      const calm = { ...drawn, steps: drawn.steps.filter((one) => one.do !== "abort") };
      const { broker, called, outcomes } = await run(calm, {
        sendTimeoutMs: 10_000_000,
        waitingMax: 100_000,
        bufferMessagesMax: 500,
      });
      for (const [key, ids] of called) expect(broker.idsByKey(moves).get(key)).toEqual(ids);
      expect(new Set(outcomes.values())).toEqual(outcomes.size === 0 ? new Set() : new Set(["sent"]));
      const sending = broker.history.filter(({ type }) => type === "sending");
      expect(sending).toHaveLength(outcomes.size);
      expect(broker.history.some(({ type }) => type === "tailLost")).toBe(false);
    }),
    { numRuns: 300, endOnFailure: false },
  );
});

const NOT_APPENDED = new Set(["SEND_TIMEOUT", "SEND_ABORTED", "PREDECESSOR_FAILED", "BUFFER_FULL"]);
it("P1, P2: with time-outs, aborts and full buffers, what was said of each send is true, and order holds among the rest", async () => {
  await fc.assert(
    fc.asyncProperty(plan, fc.constantFrom(30, 300, 2_000), async (drawn, sendTimeoutMs) => {
      const { broker, called, outcomes } = await run(drawn, {
        sendTimeoutMs,
        waitingMax: 50,
        bufferMessagesMax: 100,
        bufferBytesMax: 20_000,
        inFlightBatchesMax: 2,
      });
      const logged = broker.stored(moves).map(({ id }) => id as string);
      expect(new Set(logged).size).toBe(logged.length);
      for (const [key, ids] of called) {
        const places = (broker.idsByKey(moves).get(key) ?? []).map((id) => ids.indexOf(id as string));
        expect(places).toEqual([...places].sort((a, b) => a - b));
      }
      const inLog = new Set(logged);
      for (const [id, outcome] of outcomes) {
        if (outcome === "sent") expect(inLog.has(id)).toBe(true);
        else if (NOT_APPENDED.has(outcome)) expect(inLog.has(id)).toBe(false);
        else expect(outcome).toBe("OUTCOME_UNKNOWN");
      }
    }),
    { numRuns: 300 },
  );
});
