import { describe, expect, it } from "vitest";
import { SLOTS, slotOf } from "../message/route.ts";
import type { ClientFrame } from "../protocol/frames.ts";
import { seededRandom } from "../runtime/random.ts";
import type { Consumer } from "./consumer-api.ts";
import { type Move, TappedGroup } from "./tapped-group.fixture.ts";

const QUEUES = 2;
const MESSAGES = 60;
const SEEDS = 150;
/** Five keys of each queue. */
const KEYS = [true, false].map((isLow) =>
  Array.from({ length: 100 }, (_, n) => `k${n}`)
    .filter((key) => slotOf(key) < SLOTS / 2 === isLow)
    .slice(0, 5),
);

/** One consumer against faults of every kind it can meet; then they stop, and everything must drain. */
async function simulate(
  seed: number,
): Promise<{ readonly group: TappedGroup; readonly met: ReadonlySet<string>; readonly violations: readonly string[] }> {
  const random = seededRandom(seed);
  const chance = (share: number) => random() < share;
  const anyQueue = () => Math.floor(random() * QUEUES);
  const group = await TappedGroup.start({ queues: QUEUES, seed, wallNow: 1_767_225_600_000 });
  const { runtime, tap, broker } = group;
  const met = new Set<string>();
  const violations: string[] = [];
  let faulty = true;
  for (const keys of KEYS)
    for (let n = 0; n < MESSAGES; n++) group.send(keys[Math.floor(random() * 5)] ?? "", { game: "", n });
  await runtime.settle();

  const running = new Map<string, Set<string>>();
  let consumer: Consumer<Move>;
  const start = () => {
    consumer = group.consume({
      name: "c",
      concurrency: 1 + (seed % 3),
      retry: { attempts: 4, initialMs: 20, maxMs: 200 },
      exhausted: seed % 5 === 0 ? "dead-letter" : "park",
      handlerTimeoutMs: 800,
      handlerGraceMs: 300,
      inFlightMax: 8,
    });
    void consumer.run(async ({ queue, key, offset, body }, context) => {
      const place = `${queue}/${key}`;
      const mine = `${place}/${offset}/${context.fence}/${context.attempt}`;
      const others = running.get(place) ?? new Set<string>();
      running.set(place, others);
      // P5: beside a handler of its key only above one that was abandoned, under a higher epoch
      for (const other of others) {
        const [, , at, fence, attempt] = other.split("/").map(Number);
        const abandoned = broker.history.some(
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

  let awayUntil = 0;
  tap.onDial = () => {
    const ms = awayUntil - runtime.now();
    return ms > 0 ? new Promise((resolve) => void runtime.setTimeout(resolve, ms)) : null;
  };
  const away = (ms: number) => {
    awayUntil = Math.max(awayUntil, runtime.now() + ms);
    tap.cut();
  };
  const faults: Record<string, () => void | Promise<void>> = {
    cut: () => away(chance(0.2) ? 12_000 : random() * 2_000),
    end: () => group.end(anyQueue()),
    silentEnd: () => {
      const end = tap.refuse("settle", () => {
        end();
        return "STALE_EPOCH";
      });
    },
    restart: () => broker.crash(),
    revoke: () => group.revoke(random() * 1_000, anyQueue()),
    freeze: () => runtime.jumpWallClock(chance(0.5) ? 20_000 : 2_000),
    stepBack: () => runtime.jumpWallClock(-3_600_000),
    deaf: () => {
      const types = ["settle", "aside.put", "lease.raise", "lease.release", "heartbeat", "lease.acquire", "credit"];
      const goOn = tap.hold(types[Math.floor(random() * types.length)] as ClientFrame["type"]);
      // a link that loses a frame is a link that ends
      runtime.setTimeout(() => {
        away(100);
        goOn();
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
    if (!chance(0.35)) continue;
    const name = names[Math.floor(random() * names.length)] ?? "cut";
    met.add(name);
    await faults[name]?.();
  }
  faulty = false;
  for (let turn = 0; turn < 200; turn++) {
    await runtime.advance(500);
    const accounts = await broker.account(group.moves);
    if (accounts.every(({ backlog }) => backlog === 0)) break;
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
      expect(
        group.broker.logged.filter(({ level }) => level === "error"),
        where,
      ).toEqual([]);
      const keys = KEYS.map((_, queue) => group.broker.stored(group.moves).filter((one) => one.queue === queue));
      const asideAtBroker = [await group.aside(0), await group.aside(1)];
      const handled = new Set<string>();
      const aside = new Set<string>();
      for (const step of group.broker.history) {
        steps.set(step.type, (steps.get(step.type) ?? 0) + 1);
        if (!("offset" in step) || !("queue" in step)) continue;
        const place = `${step.queue}/${step.offset}`;
        if (step.type === "handled") handled.add(place);
        else if (step.type === "parked" || step.type === "deadLettered") aside.add(place);
        else if (step.type === "settled") expect(handled, where).toContain(place);
        else if (step.type === "handling" && step.attempt === 1) {
          // P6: whatever stands before it with its key was handled or set aside (also at the broker alone, when its answer was lost)
          for (let at = 0; at < step.offset; at++)
            if (
              keys[step.queue]?.[at]?.key === step.key &&
              !handled.has(`${step.queue}/${at}`) &&
              !aside.has(`${step.queue}/${at}`) &&
              !asideAtBroker[step.queue]?.includes(at)
            )
              throw new Error(`${where}: message ${step.offset} of queue ${step.queue} overtook ${at}`);
        }
      }
      for (const queue of [0, 1]) {
        const settled = await group.settled(queue);
        for (const at of settled) expect(handled, where).toContain(`${queue}/${at}`);
        expect(
          settled.filter((at) => asideAtBroker[queue]?.includes(at)),
          where,
        ).toEqual([]);
        expect(settled.length + (asideAtBroker[queue]?.length ?? 0), `${where}, queue ${queue}`).toBe(MESSAGES);
      }
    }
    // the hard cases were reached
    for (const fault of [
      "cut",
      "end",
      "silentEnd",
      "restart",
      "revoke",
      "freeze",
      "stepBack",
      "deaf",
      "pause",
      "close",
    ])
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
