import { describe, expect, it } from "vitest";
import { type Epoch, type Sequence, sequence } from "../message/brands.ts";
import { concatBytes } from "../message/packed.ts";
import type { BatchAppended, BatchRefused } from "../protocol/frames.ts";
import { message, QueueBench } from "../queue/queue.fixture.ts";
import type { Store } from "../store/store.ts";
import { QueueLog } from "./queue-log.ts";
import { decodeRecord, encodeRecord } from "./records.ts";

const packed = (keys: readonly string[], bytes = 10) => concatBytes(keys.map((key) => message(key, bytes)));
const identity = (epoch: Epoch, producer = "p", instance = "i") => ({ producer, instance, epoch });
const seq = sequence;
const by = (instance: string, ordinal = 1) => ({ instance, ordinal, principal: null });

async function opened(spec = {}) {
  const bench = await QueueBench.open(spec);
  const { log } = bench.queue;
  const lane = log.openLane("p", null, by("i"));
  await lane.ready;
  const append = (from: number, messages: Uint8Array, count: number, as = identity(lane.epoch)) =>
    log.append(as, seq(from), count, messages);
  return { bench, log, epoch: lane.epoch, append };
}
const codeOf = (work: () => unknown): string | null => {
  try {
    work();
    return null;
  } catch (error) {
    return (error as { code: string }).code;
  }
};

describe("appending", () => {
  it("gives offsets at once and in order; the watermark follows when they are flushed", async () => {
    const { bench, log, append } = await opened();
    expect(append(0, packed(["a", "b"]), 2).runs).toEqual([{ count: 2, offset: 0, duplicate: false }]);
    expect(append(2, packed(["c"]), 1).runs).toEqual([{ count: 1, offset: 2, duplicate: false }]);
    expect([log.end, log.flushedEnd]).toEqual([3, 0]);
    expect(log.read(0, 1e6)).toEqual([]);
    await bench.settle();
    expect(log.flushedEnd).toBe(3);
    expect((await log.read(1, 1e6)).map((batch) => [batch.first, batch.count])).toEqual([
      [0, 2],
      [2, 1],
    ]);
  });
  it("trims what is known, gives it its first places, and appends the rest", async () => {
    const { log, append } = await opened();
    append(0, packed(["a", "b", "c"]), 3);
    expect(append(1, packed(["b", "c", "d"]), 3).runs).toEqual([
      { count: 2, offset: 1, duplicate: true },
      { count: 1, offset: 3, duplicate: false },
    ]);
    expect(append(0, packed(["a", "b"]), 2).runs).toEqual([{ count: 2, offset: 0, duplicate: true }]);
    expect(log.end).toBe(4);
  });
  it("answers a repeat only when what it repeats is stored", async () => {
    const { bench, append } = await opened();
    let release = () => {};
    bench.disk.beforeApply = () => new Promise((resolve) => (release = resolve));
    append(0, packed(["a"]), 1);
    let answered = false;
    void append(0, packed(["a"]), 1).commit.flushed.then(() => (answered = true));
    await bench.settle();
    expect(answered).toBe(false);
    release();
    await bench.settle();
    expect(answered).toBe(true);
  });
  it("refuses a gap with what it expected, and changes nothing", async () => {
    const { log, append } = await opened();
    append(0, packed(["a"]), 1);
    expect(() => append(5, packed(["b"]), 1)).toThrow(
      expect.objectContaining({ code: "OUT_OF_SEQUENCE", data: { expected: 1, found: 5 } }),
    );
    expect(log.end).toBe(1);
  });
  it("refuses damaged, miscounted, oversized and misrouted batches whole", async () => {
    const { log, append } = await opened({ queues: 2 });
    const here = ["a", "b", "c", "d", "e", "f"].filter(
      (key) => codeOf(() => append(log.end, packed([key]), 1)) === null,
    )[0]!;
    const { end } = log;
    const codes = [
      codeOf(() => append(end, packed([here]).subarray(0, 9), 1)),
      codeOf(() => append(end, packed([here, here]), 3)),
      codeOf(() => append(end, concatBytes([packed([here]), message(here, 1024 * 1024 + 1)]), 2)),
      codeOf(() => append(end, packed([here, "a", "b", "c", "d", "e", "f"]), 7)),
    ];
    expect(codes).toEqual(["PROTOCOL_VIOLATION", "PROTOCOL_VIOLATION", "MESSAGE_TOO_LARGE", "WRONG_ROUTE"]);
    expect(log.end).toBe(end);
  });
  it("stores a message id once while it is remembered, also within a batch and over a restart", async () => {
    const { bench, append } = await opened({ idWindowMs: 1_000 });
    const ids = concatBytes([message("a", 1, "x"), message("a", 1, "y"), message("a", 1, "x")]);
    expect(append(0, ids, 3).runs).toEqual([
      { count: 2, offset: 0, duplicate: false },
      { count: 1, offset: 0, duplicate: true },
    ]);
    await bench.settle();
    await bench.restart();
    const { log } = bench.queue;
    const { epoch } = log.openLane("q", null, by("j"));
    expect(log.append(identity(epoch, "q", "j"), seq(0), 1, message("a", 1, "y")).runs).toEqual([
      { count: 1, offset: 1, duplicate: true },
    ]);
    await bench.runtime.advance(1_001);
    expect(log.append(identity(epoch, "q", "j"), seq(1), 1, message("a", 1, "y")).runs).toEqual([
      { count: 1, offset: 2, duplicate: false },
    ]);
  });
});

describe("ids of messages that retention has removed", () => {
  it("are known after a restart for as long as any other, and are then dropped", async () => {
    const { bench, append, log } = await opened({ idWindowMs: 10_000 });
    const resend = async (id: string, as: string) => {
      const { epoch, ready } = bench.queue.log.openLane(as, null, by(as));
      await ready;
      return bench.queue.log.append(identity(epoch, as, as), seq(0), 1, message("a", 1, id)).runs;
    };
    const records = () => bench.store.list("qi/");
    append(0, concatBytes([message("a", 1, "x"), message("a", 1, "y")]), 2);
    append(2, message("a", 1, "z"), 1);
    await bench.settle();
    await log.truncate(2, 20).flushed;
    await log.truncate(3, 10).flushed;
    expect(await records()).toHaveLength(2);

    await bench.restart();
    expect(await resend("y", "q")).toEqual([{ count: 1, offset: 1, duplicate: true }]);
    expect(await resend("z", "r")).toEqual([{ count: 1, offset: 2, duplicate: true }]);
    await bench.runtime.advance(10_001);
    expect(await resend("y", "s")).toEqual([{ count: 1, offset: 3, duplicate: false }]);
    await bench.settle();
    await bench.queue.log.truncate(4, 10).flushed;
    expect((await records()).map(({ key }) => key.at(-1))).toEqual(["3"]);
  });
  it("that nobody gave cost nothing", async () => {
    const { bench, append, log } = await opened();
    append(0, packed(["a", "b"]), 2);
    await bench.settle();
    await log.truncate(2, 20).flushed;
    expect(await bench.store.list("qi/")).toEqual([]);
  });
});

describe("producers", () => {
  it("a second one of a name fences the first, for good; epochs come from one counter", async () => {
    const { bench, log, epoch, append } = await opened();
    const second = log.openLane("p", null, by("other"));
    const third = log.openLane("q", null, by("other"));
    expect([second.epoch, third.epoch]).toEqual([epoch + 1, epoch + 2]);
    expect(codeOf(() => append(0, packed(["a"]), 1))).toBe("PRODUCER_FENCED");
    expect(codeOf(() => log.openLane("p", epoch, by("i")))).toBe("PRODUCER_FENCED");
    expect(codeOf(() => log.openLane("p", second.epoch, by("i")))).toBe("PRODUCER_FENCED");
    await bench.settle();
    await bench.restart();
    expect(bench.queue.log.openLane("p", second.epoch, by("other")).expected).toBe(0);
    expect(bench.queue.log.openLane("new", null, by("z")).epoch).toBe(epoch + 3);
  });
  it("one of an older client does not fence the newer one, which fences it; a client goes on beside itself", async () => {
    const { bench, log } = await opened();
    const older = by("frozen", 5);
    const newer = by("successor", 6);
    const { epoch } = log.openLane("p", null, newer);
    expect(codeOf(() => log.openLane("p", null, older))).toBe("PRODUCER_FENCED");
    expect(log.append(identity(epoch, "p", "successor"), seq(0), 1, packed(["a"])).runs).toHaveLength(1);
    expect(log.openLane("other", null, older).epoch).toBe(epoch + 1);
    await bench.settle();
    await bench.restart();
    const again = bench.queue.log;
    expect(codeOf(() => again.openLane("p", null, older))).toBe("PRODUCER_FENCED");
    expect(again.openLane("p", epoch, newer)).toMatchObject({ epoch, expected: 1 });
    expect(again.openLane("p", null, by("successor", 4)).epoch).toBe(epoch + 2);
    expect(again.openLane("p", null, older).epoch).toBe(epoch + 3);
    expect(again.openLane("p", null, by("last", 2 ** 52)).epoch).toBe(epoch + 4);
    await bench.settle();
    await bench.restart();
    expect(codeOf(() => bench.queue.log.openLane("p", null, by("next to last", 2 ** 52 - 1)))).toBe("PRODUCER_FENCED");
  });
  it("one whose record says nothing of its client is fenced by any", async () => {
    const { bench, log, epoch } = await opened();
    await bench.settle();
    const [record] = await bench.store.list("p/t/0/");
    const old = decodeRecord<unknown[]>("p/t/0/p", record!.value).slice(0, 6);
    await bench.store.writer().commit([{ kind: "put", key: record!.key, value: encodeRecord(old) }]).synced;
    await bench.restart();
    expect(log).not.toBe(bench.queue.log);
    expect(bench.queue.log.openLane("p", epoch, by("i"))).toMatchObject({ epoch });
    expect(bench.queue.log.openLane("p", null, by("other", 0)).epoch).toBe(epoch + 1);
  });
  it("shows a reconnecting one where it stands, over a restart too", async () => {
    const { bench, epoch, append } = await opened();
    append(0, packed(["a", "b"]), 2);
    await bench.settle();
    await bench.restart();
    const lane = bench.queue.log.openLane("p", epoch, by("i"));
    expect(lane).toMatchObject({ epoch, expected: 2 });
    expect(bench.queue.log.append(identity(epoch), seq(0), 2, packed(["a", "b"])).runs).toEqual([
      { count: 2, offset: 0, duplicate: true },
    ]);
  });
  it("an unknown one is refused", async () => {
    const { log, epoch } = await opened();
    expect(codeOf(() => log.openLane("nobody", epoch, by("i")))).toBe("PRODUCER_UNKNOWN");
    expect(codeOf(() => log.append(identity(epoch, "nobody"), seq(0), 1, packed(["a"])))).toBe("PRODUCER_UNKNOWN");
  });
  it("is forgotten a week after it was last linked, not before", async () => {
    const { bench, log, epoch } = await opened();
    const week = 7 * 24 * 3_600_000;
    await bench.runtime.advance(week + 1);
    log.forgetIdleProducers(() => true);
    await bench.runtime.advance(week - 1);
    log.forgetIdleProducers(() => false);
    expect(log.producers).toEqual(["p"]);
    await bench.runtime.advance(2);
    log.forgetIdleProducers(() => false);
    expect(log.producers).toEqual([]);
    await bench.settle();
    await bench.restart();
    expect(bench.queue.log.producers).toEqual([]);
    expect(bench.queue.log.openLane("p", null, by("i")).epoch).toBe(epoch + 1);
  });
});

describe("reading", () => {
  it("finds the same from memory and from the store", async () => {
    const { bench, log, append } = await opened();
    // more than is kept in memory
    for (let batch = 0; batch < 40; batch++) append(batch * 3, packed(["a", "b", "c"], 40_000), 3);
    await bench.settle();
    for (const from of [0, 1, 50, 99, 117, 119]) {
      const [batch] = await log.read(from, 1);
      expect(batch).toMatchObject({ first: from - (from % 3), count: 3 });
      const [stored] = await bench.store.read(log.name, from, { bytesMax: 1 });
      expect(Buffer.compare(batch!.messages, stored!.bytes.subarray(-batch!.messages.length))).toBe(0);
    }
    expect(log.read(0, 1)).toBeInstanceOf(Promise);
    expect(log.read(119, 1)).toBeInstanceOf(Array);
  });
});

describe("a failed commit", () => {
  const frames = (bench: QueueBench) => bench.answers as (BatchAppended | BatchRefused)[];
  it("refuses that batch and all behind it, then takes them again from where the store stands", async () => {
    const { bench, log, epoch } = await opened();
    const send = (from: Sequence | number, key: string, durability: "memory" | "flushed" = "memory") => {
      const frame = {
        type: "batch.append",
        lane: 1,
        epoch,
        sequence: seq(from),
        count: 1,
        durability,
        messages: packed([key]),
      } as const;
      bench.queue.append(bench.lane("p", "i", epoch), frame);
    };
    send(0, "a");
    await bench.settle();
    let failing = true;
    bench.disk.beforeApply = (writes) => {
      if (failing && writes.some((write) => write.kind === "append")) throw new Error("disk");
    };
    send(1, "b");
    send(2, "c");
    expect(log.end).toBe(3);
    await bench.settle();
    failing = false;
    await bench.runtime.advance(1_000);
    expect([bench.queue.state, log.end, log.flushedEnd]).toEqual(["active", 1, 1]);
    send(3, "d");
    expect(frames(bench).at(-1)).toMatchObject({
      type: "batch.refused",
      error: { code: "OUT_OF_SEQUENCE" },
      expected: 1,
    });
    Object.assign(bench.store, { durabilityMax: "flushed" });
    send(0, "a", "flushed"); // a repeat of what is stored is answered, though the last commit failed
    await bench.settle();
    expect(frames(bench).at(-1)).toMatchObject({ type: "batch.appended", runs: [{ offset: 0, duplicate: true }] });
    send(1, "b");
    await bench.settle();
    expect([bench.queue.state, log.flushedEnd]).toEqual(["active", 2]);
    expect(
      frames(bench)
        .slice(-3)
        .every((frame) => frame.type !== "batch.refused"),
    ).toBe(true);
  });
  it("of a new producer epoch does not keep later ones from opening", async () => {
    const { bench, log } = await opened();
    bench.disk.beforeApply = () => {
      bench.disk.beforeApply = undefined;
      throw new Error("disk");
    };
    await expect(log.openLane("q", null, by("i")).ready).rejects.toThrow("disk");
    await bench.runtime.advance(1_000);
    expect(bench.queue.state).toBe("active");
    await log.openLane("q", null, by("i")).ready;
  });
  it("is tried again until the store answers", async () => {
    const { bench } = await opened();
    const { read, extent } = bench.store;
    bench.disk.beforeApply = () => {
      throw new Error("disk");
    };
    bench.store.extent = () => Promise.reject(new Error("disk"));
    bench.append(["a"]);
    await bench.runtime.advance(2_000);
    expect(bench.queue.state).toBe("recovering");
    bench.disk.beforeApply = undefined;
    Object.assign(bench.store, { read, extent });
    await bench.runtime.advance(1_000);
    expect(bench.queue.state).toBe("active");
  });
});

describe("what was flushed and could not be synced", () => {
  it("is a failure, and a repeat that asks for synced waits until it is", async () => {
    const bench = new QueueBench();
    const { store } = bench;
    let failing = 0;
    const unsynced: Promise<void>[] = [];
    const commits: Promise<void>[] = [];
    const halfBroken: Store = {
      durabilityMax: "synced",
      id: store.id,
      ownerEpoch: store.ownerEpoch,
      writer: () => {
        const writer = store.writer();
        return {
          commit(writes) {
            const { flushed } = writer.commit(writes);
            const synced = failing > 0 ? flushed.then(() => Promise.reject(new Error("EIO"))) : flushed;
            if (failing > 0) {
              failing--;
              unsynced.push(synced);
            }
            commits.push(synced);
            synced.catch(() => {});
            return { flushed, synced };
          },
        };
      },
      extent: (log) => store.extent(log),
      read: (log, from, limit) => store.read(log, from, limit),
      get: (key) => store.get(key),
      list: (prefix, options) => store.list(prefix, options),
      usage: () => store.usage(),
      verifyOwner: () => store.verifyOwner(),
      close: () => store.close(),
      [Symbol.asyncDispose]: () => store.close(),
    };
    const failures: string[] = [];
    const log = new QueueLog({ ...bench.scope, messageBytesMax: 1_024, store: halfBroken }, 0, (error) =>
      failures.push(String(error)),
    );
    await log.recover();
    const { epoch } = log.openLane("p", null, by("i"));
    failing = 1;
    const { commit } = log.append(identity(epoch), seq(0), 1, packed(["a"]));
    await commit.flushed;
    await expect(commit.synced).rejects.toThrow("EIO");
    await bench.settle();
    expect([failures, log.flushedEnd]).toEqual([["Error: EIO"], 1]);

    failing = 1;
    await expect(log.recover()).rejects.toThrow("EIO"); // not before it is synced
    const before = commits.length;
    await log.recover();
    expect(commits).toHaveLength(before + 1);
    const again = log.append(identity(epoch), seq(0), 1, packed(["a"]));
    expect(again.runs).toEqual([{ count: 1, offset: 0, duplicate: true }]);
    await again.commit.synced;
    await log.recover();
    expect(commits).toHaveLength(before + 1); // once
    expect(unsynced).toHaveLength(2);
  });
});
