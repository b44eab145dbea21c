import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Epoch, type Sequence, sequence } from "../message/brands.ts";
import { message, QueueBench } from "../queue/queue.fixture.ts";
import { PART_RUNS, PARTS_MAX, ProducerRuns, type StoredPart } from "./producer-runs.ts";
import { decodeRecord, encodeRecord } from "./records.ts";
import { encodeBatch } from "./stored-batch.ts";

const REMEMBERED = PART_RUNS * PARTS_MAX;

describe("runs of a producer", () => {
  it("give the places that were noted, of at least the newest 256 runs, also when they are read back at any moment", () => {
    const step = fc.record({
      count: fc.integer({ min: 1, max: 3 }),
      gap: fc.nat(2),
      duplicate: fc.boolean(),
      stores: fc.boolean(),
      readsBack: fc.nat(9),
    });
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 700, size: "max" }), (steps) => {
        let runs = new ProducerRuns();
        const noted: { readonly offset: number; readonly duplicate: boolean }[] = [];
        /** Where each run began. */
        const starts: number[] = [];
        const records = new Map<number, StoredPart>();
        let end = 0;
        for (const { count, gap, duplicate, stores, readsBack } of steps) {
          const last = noted.at(-1);
          if (gap > 0 || last?.duplicate !== duplicate) starts.push(noted.length);
          end += gap;
          runs.note(noted.length, end, count, duplicate);
          for (let n = 0; n < count; n++) noted.push({ offset: end + n, duplicate });
          end += count;
          if (!stores) continue;
          for (const { place, part } of runs.takeFull()) records.set(place, part);
          expect(runs.placesTaken).toBe(records.size);
          if (readsBack === 0) runs = ProducerRuns.load(runs.filling, [...records.values()]);
        }
        const from = starts.at(-REMEMBERED) ?? 0;
        const places = runs.places(sequence(from), noted.length - from) ?? [];
        expect(places.flatMap(({ offset, count }) => Array.from({ length: count }, (_, n) => offset + n))).toEqual(
          noted.slice(from).map(({ offset }) => offset),
        );
      }),
      { numRuns: 60 },
    );
  });

  it("are remembered no further back than their records", () => {
    const runs = new ProducerRuns();
    const many = REMEMBERED + 10 * PART_RUNS;
    for (let n = 0; n < many; n++) runs.note(n, n * 2, 1, false);
    const known = (from: number) => runs.places(sequence(from), 1) !== undefined;
    const oldest = Array.from({ length: many }, (_, n) => n).find(known) as number;
    expect(many - oldest).toBeGreaterThanOrEqual(REMEMBERED);
    expect(many - oldest).toBeLessThanOrEqual(REMEMBERED + PART_RUNS);
  });
});

describe("the records of a producer", () => {
  const lane = (epoch: Epoch) => ({ producer: "p", instance: "i", epoch });
  const by = { instance: "i", ordinal: 1, principal: null };
  async function interleaved(batches: number) {
    const bench = await QueueBench.open();
    const { log } = bench.queue;
    const { epoch } = log.openLane("p", null, by);
    const other = log.openLane("other", null, { instance: "j", ordinal: 2, principal: null });
    const sizes: number[] = [];
    for (let n = 0; n < batches; n++) {
      log.append(lane(epoch), sequence(n), 1, message("a"));
      log.append({ producer: "other", instance: "j", epoch: other.epoch }, sequence(n), 1, message("b"));
      await bench.settle();
      sizes.push((await bench.store.get("p/t/0/p"))?.length ?? 0);
    }
    return { bench, log, epoch, sizes };
  }
  const keys = async (bench: QueueBench) => (await bench.store.list("p/t/0/p")).map(({ key }) => key);

  it("are as small after hundreds of interleaved batches as after a few", async () => {
    const { bench, sizes } = await interleaved(400);
    expect(Math.max(...sizes)).toBeLessThan(2 * Math.max(...sizes.slice(0, PART_RUNS)));
    expect(await keys(bench)).toHaveLength(1 + PARTS_MAX);
  });

  it("give a repeat its first places after a restart, however the runs are spread over them", async () => {
    const { bench, epoch } = await interleaved(300);
    await bench.restart();
    const { log } = bench.queue;
    expect(log.expected("p")).toBe(300);
    for (const from of [60, 150, 284, 299])
      expect(log.append(lane(epoch), sequence(from), 1, message("a")).runs).toEqual([
        { count: 1, offset: from * 2, duplicate: true },
      ]);
    expect(() => log.append(lane(epoch), sequence(0), 1, message("a"))).toThrow("too long ago");
    log.append(lane(epoch), sequence(300), 1, message("a"));
    await bench.restart();
    expect(bench.queue.log.append(lane(epoch), sequence(300), 1, message("a")).runs).toMatchObject([{ offset: 600 }]);
  });

  it("of which one is missing are refused", async () => {
    const { bench, log } = await interleaved(40);
    await bench.store.writer().commit([{ kind: "remove", key: "p/t/0/p/0" }]).synced;
    await expect(log.recover()).rejects.toMatchObject({ code: "STORE_DAMAGED", data: { expected: 2, found: 1 } });
  });

  it("go with its epoch, and with the producer", async () => {
    const { bench, log } = await interleaved(100);
    expect((await keys(bench)).length).toBeGreaterThan(1);
    const { epoch } = log.openLane("p", null, by);
    await bench.settle();
    expect(await keys(bench)).toEqual(["p/t/0/p"]);
    await bench.restart();
    expect(bench.queue.log.expected("p")).toBe(0);
    const again = bench.queue.log;
    for (let n = 0; n < 40; n++) {
      again.append(lane(epoch), sequence(n), 1, message("a"));
      const { epoch: other } = again.openLane("other", null, { instance: "k", ordinal: 3 + n, principal: null });
      again.append({ producer: "other", instance: "k", epoch: other }, sequence(0), 1, message("b"));
    }
    await bench.settle();
    expect((await keys(bench)).length).toBeGreaterThan(1);
    await bench.runtime.advance(8 * 24 * 3_600_000);
    again.forgetIdleProducers(() => false);
    await bench.settle();
    expect(await bench.store.list("p/t/0/")).toEqual([]);
  });

  it("from when all runs were in one are read, and written in parts from then on", async () => {
    const bench = await QueueBench.open();
    const runs = Array.from({ length: 256 }, (_, n) => [n, n * 2, 1, 0]);
    await bench.store.writer().commit([
      { kind: "put", key: "qs/t/0", value: encodeRecord([1]) },
      { kind: "put", key: "p/t/0/p", value: encodeRecord(["p", 1, "i", 256, 0, runs, 1]) },
      { kind: "append", log: "q/t/0", first: 0, count: 512, bytes: storedBatch(512) },
    ]).synced;
    await bench.restart();
    const one = lane(1 as Epoch);
    const repeat = (from: number) => bench.queue.log.append(one, sequence(from), 1, message("a")).runs;
    expect([0, 100, 255].map((from) => repeat(from)[0]?.offset)).toEqual([0, 200, 510]);
    expect(bench.queue.log.append(one, sequence(256), 1, message("a")).runs).toMatchObject([{ offset: 512 }]);
    await bench.settle();
    expect(await keys(bench)).toHaveLength(1 + PARTS_MAX);
    await bench.restart();
    expect([0, 100, 255, 256].map((from) => repeat(from)[0]?.offset)).toEqual([0, 200, 510, 512]);
    const [, , , next] = decodeRecord<readonly unknown[]>("p", (await bench.store.get("p/t/0/p")) as Uint8Array);
    expect(next).toBe(257 as Sequence);
  });
});
const storedBatch = (count: number): Uint8Array =>
  encodeBatch(
    0,
    1,
    Array.from({ length: count }, () => message("a")),
  );
