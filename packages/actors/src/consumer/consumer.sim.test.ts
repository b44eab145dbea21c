import { describe, expect, it } from "vitest";
import { topic, typed } from "../message/topic.ts";
import { seededRandom } from "../runtime/random.ts";
import { createConsumer } from "./consumer.ts";
import type { Consumer } from "./consumer-api.ts";
import { FakeGroup } from "./fake-group.fixture.ts";

interface Move {
  readonly key: string;
  readonly n: number;
}
const moves = topic("moves", { schema: typed<Move>(), key: (body) => body.key, encoding: "json", queues: 2 });
const QUEUES = 2;
const MESSAGES = 60;
const SEEDS = 150;

/** One consumer against faults of every kind it can meet; then they stop, and everything must drain. */
async function simulate(
  seed: number,
): Promise<{ readonly group: FakeGroup; readonly met: ReadonlySet<string>; readonly violations: readonly string[] }> {
  const random = seededRandom(seed);
  const chance = (share: number) => random() < share;
  const group = new FakeGroup({ queues: QUEUES, seed });
  const { runtime } = group;
  const met = new Set<string>();
  const violations: string[] = [];
  let faulty = true;
  for (const queue of group.queues)
    for (let n = 0; n < MESSAGES; n++) queue.append(`k${Math.floor(random() * 5)}`, { key: "", n });

  const running = new Map<string, Set<string>>();
  let consumer: Consumer<Move>;
  const start = () => {
    consumer = createConsumer(
      group.environment,
      moves,
      {
        group: "g",
        concurrency: 1 + (seed % 3),
        retry: { attempts: 4, initialMs: 20, maxMs: 200 },
        exhausted: seed % 5 === 0 ? "dead-letter" : "park",
        handlerTimeoutMs: 800,
        handlerGraceMs: 300,
        inFlightMax: 8,
      },
      "client",
    ) as Consumer<Move>;
    void consumer.run(async ({ queue, key, offset, body }, context) => {
      const place = `${queue}/${key}`;
      const mine = `${place}/${offset}/${context.fence}/${context.attempt}`;
      const others = running.get(place) ?? new Set<string>();
      running.set(place, others);
      // P5: beside a handler of its key only above one that was abandoned, under a higher epoch
      for (const other of others) {
        const [, , at, fence, attempt] = other.split("/").map(Number);
        const abandoned = group.history.some(
          (step) =>
            step.type === "abandoned" &&
            step.queue === queue &&
            step.offset === at &&
            step.epoch === fence &&
            step.attempt === attempt,
        );
        if (!abandoned || (fence ?? 0) >= context.fence) violations.push(`${mine} beside ${other}`);
      }
      others.add(mine);
      const hangs = faulty && chance(0.02);
      const ms = hangs ? 3_000 : chance(0.5) ? 0 : random() * 60;
      if (ms > 0) await new Promise<void>((resolve) => void runtime.setTimeout(resolve, ms));
      others.delete(mine);
      if (faulty && (chance(0.08) || body.n % 13 === 5)) throw new Error("by chance, or for good");
    });
  };
  start();

  const faults: Record<string, () => void | Promise<void>> = {
    cut: () => {
      group.cut();
      runtime.setTimeout(() => group.link ?? group.connect(), chance(0.2) ? 12_000 : random() * 2_000);
    },
    end: () => group.end(group.queue(Math.floor(random() * QUEUES)), "expired"),
    silentEnd: () => group.vacate(group.queue(Math.floor(random() * QUEUES))),
    revoke: () => group.revoke(random() * 1_000, group.queue(Math.floor(random() * QUEUES))),
    freeze: () => runtime.jumpWallClock(chance(0.5) ? 20_000 : 2_000),
    stepBack: () => runtime.jumpWallClock(-3_600_000),
    deaf: () => {
      const types = ["settle", "aside.put", "lease.raise", "lease.release", "heartbeat", "lease.acquire", "credit"];
      const lost = types[Math.floor(random() * types.length)];
      group.ignores = (frame) => frame.type === lost;
      // a link that loses a frame is a link that ends
      runtime.setTimeout(() => {
        group.cut();
        group.ignores = () => false;
        runtime.setTimeout(() => group.link ?? group.connect(), 100);
      }, 200);
    },
    pause: () => {
      consumer.pause();
      runtime.setTimeout(() => consumer.resume(), 500);
    },
    close: async () => {
      await runtime.run(consumer.close({ timeoutMs: random() * 500 }));
      start();
    },
  };
  const names = Object.keys(faults);
  for (let turn = 0; turn < 60; turn++) {
    await runtime.advance(random() * 300);
    for (const queue of group.queues) if (queue.holder === null) group.offer(queue);
    if (!chance(0.35)) continue;
    const name = names[Math.floor(random() * names.length)] ?? "cut";
    met.add(name);
    await faults[name]?.();
  }
  faulty = false;
  group.ignores = () => false;
  for (let turn = 0; turn < 200; turn++) {
    await runtime.advance(500);
    if (group.link === null) group.connect();
    for (const queue of group.queues) if (queue.holder === null) group.offer(queue);
    if (group.queues.every((queue) => queue.settled.size + queue.aside.size >= MESSAGES)) break;
  }
  await runtime.run(consumer!.close());
  return { group, met, violations };
}

describe("a consumer under faults", () => {
  it(`keeps P5, P6 and P8, and settles nothing it has not handled (${SEEDS} seeds)`, async () => {
    const met = new Set<string>();
    const steps = new Map<string, number>();
    for (let seed = 1; seed <= SEEDS; seed++) {
      const { group, met: here, violations } = await simulate(seed);
      for (const name of here) met.add(name);
      const where = `seed ${seed}`;
      expect(violations, where).toEqual([]);
      expect(group.logged, where).toEqual([]);
      const handled = new Set<string>();
      const aside = new Set<string>();
      for (const step of group.history) {
        steps.set(step.type, (steps.get(step.type) ?? 0) + 1);
        if (!("offset" in step) || !("queue" in step)) continue;
        const place = `${step.queue}/${step.offset}`;
        if (step.type === "handled") handled.add(place);
        else if (step.type === "parked" || step.type === "deadLettered") aside.add(place);
        else if (step.type === "settled") expect(handled, where).toContain(place);
        else if (step.type === "handling" && step.attempt === 1) {
          // P6: whatever stands before it with its key was handled or set aside (also at the broker alone, when its answer was lost)
          const queue = group.queue(step.queue);
          for (let at = 0; at < step.offset; at++)
            if (
              queue.log[at]?.key === step.key &&
              !handled.has(`${step.queue}/${at}`) &&
              !aside.has(`${step.queue}/${at}`) &&
              !queue.aside.has(at)
            )
              throw new Error(`${where}: message ${step.offset} of queue ${step.queue} overtook ${at}`);
        }
      }
      for (const queue of group.queues) {
        for (const at of queue.settled) expect(handled, where).toContain(`${queue.index}/${at}`);
        expect(
          [...queue.settled].filter((at) => queue.aside.has(at)),
          where,
        ).toEqual([]);
        expect(queue.settled.size + queue.aside.size, `${where}, queue ${queue.index}`).toBe(MESSAGES);
      }
    }
    // the hard cases were reached
    for (const fault of ["cut", "end", "silentEnd", "revoke", "freeze", "stepBack", "deaf", "pause", "close"])
      expect(met).toContain(fault);
    for (const step of [
      "granted",
      "released",
      "lost",
      "handled",
      "failed",
      "aborted",
      "abandoned",
      "settled",
      "settleRefused",
      "parked",
      "deadLettered",
    ])
      expect(steps.get(step) ?? 0, step).toBeGreaterThan(10);
  });
});
