// What the journal holds on its way into lmdb, a slice at a time:
// what goes on in between, and what is there when the process ends or lmdb fails in between.
// Processes run from dist: `npm test` builds first. `JOURNAL_SEED` chooses other commits.
import type { StoreWrite } from "@seriatim/actors";
import { simulatedRuntime } from "@seriatim/testing";
import { afterEach, describe, expect, it, vi } from "vitest";
import { Committer } from "./committer.ts";
import { DataWriter } from "./data-writer.ts";
import { Journal } from "./journal.ts";
import type { Layer } from "./layer.ts";
import { openFolder } from "./open-folder.ts";
import { settingsOf } from "./options.ts";
import { type Found, folder, readAll, removeFolders, start } from "./process.fixture.ts";
import { Room } from "./room.ts";
import { SLICE } from "./slices.ts";
import { listOf, readLog, stateOf } from "./view.ts";

afterEach(() => {
  vi.restoreAllMocks();
  removeFolders();
});

const seed = Number(process.env["JOURNAL_SEED"] ?? 1);
const LOGS = ["a", "b", "c"];

/** What the store should hold, and commits at random that change it. */
class Model {
  readonly #random: () => number;
  readonly logs = new Map(LOGS.map((log) => [log, { start: 0, batches: [] as number[] }]));
  readonly records = new Map<string, number>();

  constructor(salt: number) {
    this.#random = simulatedRuntime({ seed: seed * 1_000 + salt }).random;
  }
  #below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }
  /** Many small writes in one commit, so that a file of the journal is several slices. */
  next(): StoreWrite[] {
    return Array.from({ length: 24 }, (): StoreWrite => {
      const log = LOGS[this.#below(LOGS.length)] as string;
      const state = this.logs.get(log) as { start: number; batches: number[] };
      const key = `k/${String(this.#below(300)).padStart(3, "0")}`;
      const first = state.batches.length;
      const value = this.#below(250);
      switch (this.#below(12)) {
        case 0:
          this.records.delete(key);
          return { kind: "remove", key };
        case 1:
        case 2:
          this.records.set(key, value);
          return { kind: "put", key, value: Uint8Array.of(value) };
        case 3:
          if (this.#below(20) > 0) return { kind: "put", key: "often", value: Uint8Array.of(value) };
          state.start = Math.max(state.start, first - this.#below(200));
          return { kind: "truncate", log, before: state.start };
        default:
          state.batches.push(value);
          return { kind: "append", log, first, count: 1, bytes: new Uint8Array(1 + (value % 9)).fill(value) };
      }
    });
  }
  expectIn({ data }: Committer): void {
    for (const [log, { start, batches }] of this.logs) {
      expect(stateOf(data, log), log).toMatchObject({ start, end: batches.length });
      expect(
        readLog(data, log, 0, 1e9).map(({ first, bytes }) => [first, bytes[0], bytes.length]),
        log,
      ).toEqual(batches.map((value, first) => [first, value, 1 + (value % 9)]).slice(start));
    }
    const records = [...this.records].sort(([a], [b]) => (a < b ? -1 : 1));
    expect(listOf(data, "k/", {}).map(({ key, value }) => [key, value[0]])).toEqual(records);
  }
}

async function open(path: string, check: "quick" | "full" = "quick") {
  const settings = { ...settingsOf({ path, bytesMax: 2 ** 28, journalBytes: 65_536, check }) };
  const opened = await openFolder(path, settings);
  const committer = new Committer(path, settings, opened, new Room(path, settings.bytesMax, settings.runtime));
  while (!committer.isJournaling) await committer.queue.writer().commit([{ kind: "remove", key: "none" }]).synced;
  return committer;
}
const { write } = DataWriter.prototype;
type Write = typeof write;
/** Of each transaction of lmdb that moves something, how many entries it holds; `before` may wait or throw. */
function watchMoves(before: (nth: number) => Promise<void> | void = () => {}): number[] {
  const sizes: number[] = [];
  let begun = 0;
  vi.spyOn(DataWriter.prototype, "write").mockImplementation(async function (
    this: DataWriter,
    ...args: Parameters<Write>
  ) {
    const [{ batches, records, logs }] = args;
    if (batches.length + records.size + logs.size === 0) return write.apply(this, args);
    await before(begun++);
    await write.apply(this, args);
    sizes.push(batches.length + records.size);
  });
  return sizes;
}
/** Commits until a whole file of the journal is in lmdb. */
async function fillFile(committer: Committer, model: Model): Promise<void> {
  const { layers } = committer.data;
  const [filling] = layers;
  const writer = committer.queue.writer();
  while (layers.includes(filling as Layer)) await writer.commit(model.next()).synced;
}

describe("a file of the journal", () => {
  it("comes into lmdb in slices of a bounded size, and commits are written in between", async () => {
    const committer = await open(folder());
    const model = new Model(1);
    const more = committer.queue.writer();
    const sizes = watchMoves(async () => {
      // Does not end while a move has the thread, or the journal, for itself.
      await more.commit([{ kind: "put", key: "between", value: Uint8Array.of(1) }]).flushed;
    });
    await fillFile(committer, model);
    expect(sizes.length).toBeGreaterThan(2);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(SLICE.entries);
    model.expectIn(committer);
    await committer.close();
  });

  it("is read as a whole while only some of it is in lmdb", async () => {
    const committer = await open(folder());
    const model = new Model(2);
    let goOn: (() => void) | undefined;
    const sizes = watchMoves(
      () =>
        new Promise<void>((resolve) => {
          goOn = resolve;
        }),
    );
    const writer = committer.queue.writer();
    for (let n = 0; n < 1_000 && sizes.length < 3; n++) {
      await writer.commit(model.next()).synced;
      if (goOn === undefined) continue;
      model.expectIn(committer); // with one slice more in lmdb each time
      goOn();
      goOn = undefined;
    }
    vi.restoreAllMocks();
    goOn?.();
    expect(sizes.length).toBeGreaterThan(2);
    model.expectIn(committer);
    await committer.close();
  });

  it.each([0, 1, 2, 3, 4])("of which %i slices are in lmdb when all ends is found whole", async (slices) => {
    const path = folder();
    const committer = await open(path);
    const model = new Model(10 + slices);
    await fillFile(committer, model); // lmdb has something of most logs
    let ended = false;
    let from: number | undefined;
    watchMoves((nth) => {
      from ??= nth;
      if (nth < from + slices) return;
      ended = true;
      throw new Error("ended here");
    });
    const writer = committer.queue.writer();
    while (!ended) await writer.commit(model.next()).synced;
    vi.restoreAllMocks();
    await committer.abandon();
    const again = await open(path, "full");
    model.expectIn(again);
    await fillFile(again, model);
    model.expectIn(again);
    await again.close();
    const last = await open(path, "full");
    model.expectIn(last);
    await last.close();
  });

  it("is moved on from the slice that failed", async () => {
    const committer = await open(folder());
    const model = new Model(3);
    let failures = 0;
    const moved = watchMoves((nth) => {
      if (nth !== 2) return;
      failures += 1;
      // lmdb fails the transaction itself, and the data is read anew
      Object.assign(committer.data.env.owner, { ifVersion: () => Promise.reject(new Error("disk full")) });
    });
    const { layers } = committer.data;
    const filling = layers[0] as Layer;
    const writer = committer.queue.writer();
    let entries = 0;
    while (layers.includes(filling)) {
      await writer.commit(model.next()).synced;
      entries = [...filling.entries()].length;
    }
    expect(failures).toBe(1);
    const ofFile = [...moved];
    while (ofFile.reduce((sum, size) => sum + size, 0) > entries) ofFile.pop();
    expect(ofFile.reduce((sum, size) => sum + size, 0)).toBe(entries); // each once
    model.expectIn(committer);
    await committer.close();
  });

  it("stays in the journal while lmdb fails between slices; once both files are full commits fail, and nothing is lost", async () => {
    const path = folder();
    const committer = await open(path);
    const model = new Model(4);
    watchMoves((nth) => {
      if (nth >= 1) throw new Error("disk full");
    });
    const writer = committer.queue.writer();
    let refused: StoreWrite[] | undefined;
    let failure: unknown;
    const before = new Model(4);
    while (failure === undefined) {
      const writes = model.next();
      await writer.commit(writes).synced.then(
        () => before.next(),
        (error: unknown) => {
          refused = writes;
          failure = error;
        },
      );
    }
    expect(failure).toMatchObject({ code: "STORE_FAILED", message: expect.stringContaining("disk full") });
    before.expectIn(committer);
    vi.restoreAllMocks();
    await committer.queue.writer().commit(refused ?? []).synced; // it has room again
    model.expectIn(committer);
    await committer.abandon();
    const again = await open(path, "full");
    model.expectIn(again);
    await again.close();
  });

  it("that could not be synced comes into lmdb whole or not at all", async () => {
    const committer = await open(folder());
    const model = new Model(5);
    const sizes = watchMoves();
    vi.spyOn(Journal.prototype, "sync").mockImplementation(async function (this: Journal) {
      if ((committer.data.layers[0] as Layer).cost < 50_000) return;
      this.isBroken = true;
      throw new Error("EIO");
    });
    const writer = committer.queue.writer();
    while (sizes.length === 0) await writer.commit(model.next()).synced;
    expect(sizes).toHaveLength(1);
    expect(sizes[0]).toBeGreaterThan(SLICE.entries);
    model.expectIn(committer);
    await committer.close();
  });
});

it("what the journal had truncated when all ended is removed from lmdb when the folder is opened", async () => {
  const path = folder();
  const kept = 10;
  const before = await open(path);
  const append = (first: number): StoreWrite => ({
    kind: "append",
    log: "a",
    first,
    count: 1,
    bytes: Uint8Array.of(1),
  });
  await before.queue.writer().commit(Array.from({ length: 200 }, (_, first) => append(first))).synced;
  await before.close();
  const ended = await open(path);
  await ended.queue.writer().commit([{ kind: "truncate", log: "a", before: 200 - kept }]).synced;
  await ended.abandon();
  const again = await open(path);
  await again.idle();
  expect([again.data.untrimmed.size, [...again.data.env.batches.getKeys({})].length]).toEqual([0, kept]);
  await again.close();
});
it("a process that is killed between two slices leaves everything that was synced, for each of them", {
  timeout: 120_000,
}, async () => {
  const killed: string[] = [];
  const synced: number[] = [];
  for (const slices of [1, 2, 3]) {
    const path = folder();
    const run = start("killed-between-slices.mjs", [path, `${slices}`]);
    await run.told(1);
    expect((await run.ended).signal).toBe("SIGKILL");
    killed.push(path);
    synced.push(Number(run.lines.at(-1)));
  }
  const found = await readAll(killed, ["log"], "full");
  for (const [n, path] of killed.entries()) {
    expect(found[n] as Found).toMatchObject({ opened: true });
    const committer = await open(path, "full");
    expect(stateOf(committer.data, "log")?.end).toBeGreaterThanOrEqual(synced[n] as number);
    await committer.close();
  }
});
