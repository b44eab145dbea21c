import { BehaviorSubject } from "rxjs";
import { describe, expect, it } from "vitest";
import { offset } from "../message/brands.ts";
import { limitExceeded, type MessagingError } from "../message/errors.ts";
import type { Question } from "../protocol/questions.ts";
import { simulatedRuntime } from "../runtime/simulated-runtime.ts";
import { ask } from "./ask.ts";
import type { BrokerLink } from "./broker-link.ts";
import { linkedBy } from "./connections.fixture.ts";

const full = (retryInMs?: number): MessagingError => limitExceeded("questionsMax", 4, "4 wait", "ask later", retryInMs);

/** A client whose broker answers only when it is asked for the `takenAt`th time. */
function setUp(takenAt: number, refusal = full(1_000)) {
  const runtime = simulatedRuntime({ seed: 3 });
  const askedAt: number[] = [];
  const link = {
    open: true,
    request: async ({ question }: { readonly question: Question }) => {
      askedAt.push(runtime.now());
      if (askedAt.length < takenAt) throw refusal;
      return { kind: question.kind, answer: null };
    },
  } as unknown as BrokerLink;
  const brokers = linkedBy(new BehaviorSubject<BrokerLink | null>(link));
  return {
    askedAt,
    runtime,
    asks: (question: Question, signal?: AbortSignal) => ask({ ...brokers, runtime }, question, signal),
  };
}
const describeAll: Question = { kind: "describe" };
const order: Question = { kind: "aside.redrive", topic: "t", group: "g", key: "k", reason: "a test" };

describe("what the broker has no turn for", () => {
  const askedAgain = async (question: Question) => {
    const { askedAt, runtime, asks } = setUp(5);
    expect(await runtime.run(asks(question))).toBeNull();
    const waits = askedAt.slice(1).map((at, index) => at - askedAt[index]!);
    [1_000, 2_000, 4_000, 8_000].forEach((full, index) => {
      expect(waits[index]).toBeGreaterThanOrEqual(full / 2);
      expect(waits[index]).toBeLessThanOrEqual(full);
    });
  };
  it("is asked again, later each time, until the broker takes it", () => askedAgain(describeAll));
  it("is asked again when it is an order, too: a refused one was not carried out", () => askedAgain(order));
  it("ends after 30 s with the limit that it met; one that waits as long as it takes goes on", async () => {
    const patient: Question = { kind: "reached", topic: "t", group: "g", ends: [{ queue: 0, end: offset(1) }] };
    const { askedAt, runtime, asks } = setUp(1_000);
    await expect(runtime.run(asks(describeAll))).rejects.toMatchObject({ code: "LIMIT_EXCEEDED" });
    expect([runtime.now(), askedAt.length < 10]).toEqual([30_000, true]);
    const over = new AbortController();
    const waits = asks(patient, over.signal);
    await runtime.advance(600_000);
    expect(askedAt.length).toBeGreaterThan(60);
    over.abort(new Error("no longer"));
    await expect(waits).rejects.toThrow("no longer");
    const { timers } = runtime;
    await runtime.advance(10_000);
    expect(runtime.timers).toBeLessThanOrEqual(timers);
  });
  it("is not asked again where the broker does not say that it helps", async () => {
    const { askedAt, runtime, asks } = setUp(2, full());
    await expect(runtime.run(asks(describeAll))).rejects.toMatchObject({ code: "LIMIT_EXCEEDED" });
    expect(askedAt).toEqual([0]);
  });
});
