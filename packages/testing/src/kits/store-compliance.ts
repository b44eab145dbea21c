import { type ErrorCode, isMessagingError } from "@seriatim/actors";
import {
  type Commit,
  STORE_KEY_BYTES_MAX,
  type Store,
  type StoredBatch,
  type StoreWrite,
} from "@seriatim/actors/store";

/** What the kit needs of a test runner; vitest, node:test, mocha and Deno's bdd fit. */
export interface ComplianceRunner {
  describe(name: string, define: () => void): void;
  it(name: string, test: () => Promise<void>): void;
}
/** One set of data, new and empty, with a store open on it. Disposing it closes what is open and removes the data. */
export interface StoreFixture extends AsyncDisposable {
  readonly store: Store;
  /** As if the process died now and a new one opened the data: what is flushed must be kept, other commits may be lost, each as a whole. */
  crash(): Promise<Store>;
  /** Opens the same data while `store` is open; must reject with `STORE_IN_USE`. Leave it out where a second open fences the first. */
  openAgain?(): Promise<Store>;
  /** Opens the same data for a new owner while `store` still runs, passing by whatever excludes that. Leave it out where nothing can. */
  takeOver?(): Promise<Store>;
}
export interface StoreFixtureOptions {
  /** Capacity the test wants, in bytes. @default the store's own */
  readonly bytesMax?: number;
}

/** The promises of the `Store` contract as tests: every store runs them. */
export function storeCompliance(
  name: string,
  open: (options?: StoreFixtureOptions) => Promise<StoreFixture>,
  { describe, it }: ComplianceRunner,
): void {
  const promise = (
    title: string,
    run: (store: Store, fixture: StoreFixture) => Promise<void>,
    options?: StoreFixtureOptions,
  ) =>
    it(title, async () => {
      const fixture = await open(options);
      try {
        await run(fixture.store, fixture);
      } finally {
        await fixture[Symbol.asyncDispose]();
      }
    });

  describe(`store: ${name}`, () => {
    promise("keeps batches in order and returns them from the one that holds an offset", async (store) => {
      const writer = store.writer();
      await settle([append("a", 0, 3), append("a", 3, 2), append("a", 5, 1)].map((write) => writer.commit([write])));
      same(firsts(await store.read("a", 0, ALL)), [0, 3, 5], "from 0");
      same(firsts(await store.read("a", 2, ALL)), [0, 3, 5], "from within the first");
      same(firsts(await store.read("a", 3, ALL)), [3, 5], "from the second");
      same(firsts(await store.read("a", 4, ALL)), [3, 5], "from within the second");
      same(firsts(await store.read("a", 6, ALL)), [], "from the end");
      same(firsts(await store.read("a", 99, ALL)), [], "from beyond the end");
      same(firsts(await store.read("b", 0, ALL)), [], "an unknown log");
      const [batch] = await store.read("a", 3, ALL);
      same([batch?.count, text(batch?.bytes)], [2, "a@3"], "the batch itself");
      same(await store.extent("a"), { start: 0, end: 6, bytes: 9 }, "extent");
      same(await store.extent("b"), { start: 0, end: 0, bytes: 0 }, "extent of a log never written");
    });

    promise("keeps logs apart whose names begin alike", async (store) => {
      const writer = store.writer();
      const names = ["a", "a!", "a/1", "a/10", "a/2", "a~", "b"];
      await settle([
        writer.commit(names.map((log) => append(log, 0, 1))),
        writer.commit(names.map((log) => append(log, 1, 1))),
      ]);
      for (const log of names) {
        same(
          (await store.read(log, 0, ALL)).map((batch) => text(batch.bytes)),
          [`${log}@0`, `${log}@1`],
          log,
        );
        same((await store.extent(log)).end, 2, log);
      }
    });

    promise("applies nothing inside the call, and lets nobody see what is not yet applied", async (store) => {
      const before = store.usage().usedBytes;
      const commit = store.writer().commit([append("a", 0, 1)]);
      same(store.usage().usedBytes, before, "usage inside the turn");
      await commit.flushed;
      same((await store.extent("a")).end, 1, "after flushed");
    });

    promise("settles flushed before synced, and one writer's commits in order", async (store) => {
      const writer = store.writer();
      const seen: string[] = [];
      const commits = count(20).map((n) => writer.commit([append("a", n, 1)]));
      commits.forEach((commit, n) => {
        void commit.flushed.then(() => seen.push(`flushed ${n}`));
        void commit.synced.then(() => seen.push(`synced ${n}`));
      });
      await settle(commits);
      same(
        seen.filter((what) => what.startsWith("flushed")),
        count(20).map((n) => `flushed ${n}`),
        "flushed in order",
      );
      same(
        seen.filter((what) => what.startsWith("synced")),
        count(20).map((n) => `synced ${n}`),
        "synced in order",
      );
      for (const n of count(20))
        check(seen.indexOf(`flushed ${n}`) < seen.indexOf(`synced ${n}`), `synced ${n} before flushed`);
    });

    promise("keeps a writer's order where some commits may wait, and completes those by themselves", async (store) => {
      const writer = store.writer();
      const seen: number[] = [];
      const commits = count(6).map((n) => writer.commit([append("a", n, 1)], { mayWait: n % 2 === 0 }));
      commits.forEach((commit, n) => void commit.flushed.then(() => seen.push(n)));
      await settle(commits);
      same(seen, count(6), "order of commits");
      await writer.commit([append("a", 6, 1)], { mayWait: true }).synced;
      same((await store.extent("a")).end, 7, "after one that waited for nobody");
    });

    promise("refuses an append that is not at the end, and poisons that writer only", async (store) => {
      const wrong = store.writer();
      const right = store.writer();
      const first = wrong.commit([append("a", 0, 2)]);
      const gap = wrong.commit([append("a", 3, 1)]);
      const later = wrong.commit([append("a", 2, 1)]);
      const other = right.commit([append("b", 0, 1)]);
      await first.synced;
      await other.synced;
      const failure = await fails(gap.flushed, "STORE_FAILED");
      same(await fails(gap.synced, "STORE_FAILED"), failure, "both promises fail alike");
      same((await fails(later.flushed, "STORE_FAILED")).cause, failure, "cause of a commit that was on its way");
      same(
        (await fails(wrong.commit([put("k", "v")]).synced, "STORE_FAILED")).cause,
        failure,
        "cause of a commit made later",
      );
      same(await store.extent("a"), { start: 0, end: 2, bytes: 3 }, "the prefix stays");
      same(await store.get("k"), undefined, "nothing of a poisoned writer");
      await right.commit([append("b", 1, 1)]).synced;
      await store.writer().commit([append("a", 2, 1)]).synced;
      same((await store.extent("a")).end, 3, "a new writer goes on");
      await fails(store.writer().commit([append("a", 2, 1)]).flushed, "STORE_FAILED");
      await fails(store.writer().commit([append("never", 1, 1)]).flushed, "STORE_FAILED");
    });

    promise("applies all writes of a commit or none", async (store) => {
      const setup = store.writer();
      await setup.commit([append("a", 0, 1), put("kept", "old"), put("gone", "old")]).synced;
      const commit = store
        .writer()
        .commit([
          put("kept", "new"),
          { kind: "remove", key: "gone" },
          append("b", 0, 1),
          append("a", 1, 1),
          append("a", 9, 1),
          put("x", "y"),
        ]);
      await fails(commit.flushed, "STORE_FAILED");
      same(text(await store.get("kept")), "old", "put");
      same(text(await store.get("gone")), "old", "remove");
      same(await store.get("x"), undefined, "put of a new key");
      same((await store.extent("a")).end, 1, "append");
      same(await store.extent("b"), { start: 0, end: 0, bytes: 0 }, "append to a new log");
      same(
        (await store.list("")).map((record) => record.key),
        ["gone", "kept"],
        "records",
      );
    });

    promise("takes the writes of a commit one after the other", async (store) => {
      const writer = store.writer();
      await writer.commit([
        append("a", 0, 2),
        append("a", 2, 2),
        truncate("a", 2),
        append("a", 4, 1),
        put("k", "1"),
        put("k", "2"),
        put("l", "1"),
        { kind: "remove", key: "l" },
      ]).synced;
      same(await store.extent("a"), { start: 2, end: 5, bytes: 6 }, "extent");
      same(firsts(await store.read("a", 0, ALL)), [2, 4], "batches");
      same(text(await store.get("k")), "2", "the later put");
      same(await store.get("l"), undefined, "put, then removed");
      await writer.commit([
        { kind: "remove", key: "k" },
        put("k", "3"),
        truncate("a", 5),
        append("a", 5, 1),
        { kind: "remove", key: "never" },
      ]).synced;
      same(text(await store.get("k")), "3", "removed, then put");
      same(await store.extent("a"), { start: 5, end: 6, bytes: 3 }, "truncated, then appended");
      await writer.commit([]).synced;
    });

    promise("truncates whole batches only", async (store) => {
      const writer = store.writer();
      await settle(
        [append("a", 0, 10), append("a", 10, 10), append("a", 20, 10)].map((write) => writer.commit([write])),
      );
      const cut = async (before: number) => {
        await writer.commit([truncate("a", before)]).flushed;
        return [await store.extent("a"), firsts(await store.read("a", 0, ALL))];
      };
      same(await cut(0), [{ start: 0, end: 30, bytes: 11 }, [0, 10, 20]], "before 0");
      same(await cut(9), [{ start: 0, end: 30, bytes: 11 }, [0, 10, 20]], "before 9: the first straddles");
      same(await cut(10), [{ start: 10, end: 30, bytes: 8 }, [10, 20]], "before 10");
      same(await cut(25), [{ start: 20, end: 30, bytes: 4 }, [20]], "before 25");
      same(await cut(5), [{ start: 20, end: 30, bytes: 4 }, [20]], "before 5: already gone");
      same(await cut(99), [{ start: 30, end: 30, bytes: 0 }, []], "before 99: all");
      await writer.commit([append("a", 30, 1)]).flushed;
      same(await store.extent("a"), { start: 30, end: 31, bytes: 4 }, "goes on where it ended");
      await writer.commit([truncate("unknown", 5)]).flushed;
      same(await store.extent("unknown"), { start: 0, end: 0, bytes: 0 }, "a log never written");
    });

    promise("truncates thousands of batches, and reads none of them again", async (store, fixture) => {
      const writer = store.writer();
      await settle(count(4_000).map((n) => writer.commit([append("a", n, 1)])));
      const cut = writer.commit([truncate("a", 3_990)]);
      const more = writer.commit([append("a", 4_000, 1)]);
      await settle([cut, more]);
      const left = count(11).map((n) => 3_990 + n);
      same(firsts(await store.read("a", 0, ALL)), left, "left");
      same(await store.extent("a"), { start: 3_990, end: 4_001, bytes: 11 * 6 }, "extent");
      const next = await fixture.crash();
      same(firsts(await next.read("a", 0, ALL)), left, "left after a crash");
      same(await next.extent("a"), { start: 3_990, end: 4_001, bytes: 11 * 6 }, "extent after a crash");
      await next.writer().commit([append("a", 4_001, 1)]).synced;
    });

    promise("lists records in key order, from after a key, up to a limit", async (store) => {
      const keys = ["a", "b", "b!", "b/1", "b/10", "b/2", "b/~", "b0", "c", "B"];
      const writer = store.writer();
      await settle(keys.map((key) => writer.commit([put(key, `=${key}`)])));
      const list = async (prefix: string, options?: { after?: string; limit?: number }) =>
        (await store.list(prefix, options)).map((record) => record.key);
      same(await list(""), [...keys].sort(), "all");
      same(await list("b"), ["b", "b!", "b/1", "b/10", "b/2", "b/~", "b0"], "b");
      same(await list("b/"), ["b/1", "b/10", "b/2", "b/~"], "b/");
      same(await list("b/", { after: "b/10" }), ["b/2", "b/~"], "after one of them");
      same(await list("b/", { after: "b/15" }), ["b/2", "b/~"], "after a key that is not there");
      same(await list("b/", { after: "a" }), ["b/1", "b/10", "b/2", "b/~"], "after a key before the prefix");
      same(await list("b/", { after: "c" }), [], "after a key behind the prefix");
      same(await list("b/", { limit: 2 }), ["b/1", "b/10"], "limit");
      same(await list("b/", { after: "b/1", limit: 2 }), ["b/10", "b/2"], "after and limit");
      same(await list("b/", { limit: 0 }), [], "limit 0");
      same(await list("nothing"), [], "no such prefix");
      same(
        (await store.list("b/1")).map((record) => text(record.value)),
        ["=b/1", "=b/10"],
        "values",
      );
      await writer.commit([{ kind: "remove", key: "b/10" }, put("b/1", "")]).flushed;
      same(
        (await store.list("b/1")).map((record) => [record.key, text(record.value)]),
        [["b/1", ""]],
        "removed, and an empty value",
      );
    });

    promise("reads at least one batch, then up to a number of bytes", async (store) => {
      const writer = store.writer();
      await settle(count(10).map((n) => writer.commit([append("a", n, 1, new Uint8Array(100))])));
      const read = async (from: number, bytesMax: number) => firsts(await store.read("a", from, { bytesMax }));
      same(await read(0, 0), [0], "0 bytes");
      same(await read(0, 1), [0], "1 byte");
      same(await read(0, 199), [0], "199 bytes");
      same(await read(0, 200), [0, 1], "200 bytes");
      same(await read(7, 1_000), [7, 8, 9], "1000 bytes");
    });

    promise("keeps what was put, whatever the caller does with its buffer afterwards", async (store) => {
      const writer = store.writer();
      const whole = new TextEncoder().encode("..value...");
      await writer.commit([
        { kind: "append", log: "a", first: 0, count: 1, bytes: new TextEncoder().encode("..value...").subarray(2, 7) },
        { kind: "put", key: "k", value: whole.subarray(2, 7) },
      ]).flushed;
      const [batch] = await store.read("a", 0, ALL);
      const value = await store.get("k");
      whole.fill(0);
      for (const n of count(50))
        await writer.commit([put("k", `other ${n}`), truncate("a", n + 1), append("a", n + 1, 1)]).flushed;
      same([text(batch?.bytes), text(value)], ["value", "value"], "what was read stays valid");
      const again = store.writer();
      const copy = new TextEncoder().encode("value");
      await again.commit([{ kind: "put", key: "k2", value: copy }]).flushed;
      copy.fill(0);
      same(text(await store.get("k2")), "value", "what was stored stays");
    });

    promise("has room for thousands of commits in flight", async (store) => {
      const writers = count(20).map(() => store.writer());
      const commits = count(5_000).map((n) => {
        const log = `log-${n % 20}`;
        return (writers[n % 20] as ReturnType<Store["writer"]>).commit([
          append(log, Math.floor(n / 20), 1),
          put(`cursor-${n % 20}`, String(n)),
        ]);
      });
      await settle(commits);
      for (const n of count(20)) {
        const batches = await store.read(`log-${n}`, 0, ALL);
        same(firsts(batches), count(250), `log-${n}`);
        same(text(await store.get(`cursor-${n}`)), String(4_980 + n), `cursor-${n}`);
      }
    });

    promise("stores values of 1 MiB", async (store, fixture) => {
      const big = new Uint8Array(2 ** 20).map((_, n) => n * 31 + (n >> 8));
      const writer = store.writer();
      await settle(
        count(8).map((n) =>
          writer.commit([
            { kind: "append", log: "a", first: n, count: 1, bytes: big },
            { kind: "put", key: `k${n}`, value: big },
          ]),
        ),
      );
      const next = await fixture.crash();
      const batches = await next.read("a", 0, { bytesMax: 3 * 2 ** 20 });
      same(firsts(batches), [0, 1, 2], "batches");
      for (const { bytes } of batches) check(equal(bytes, big), "a batch's bytes");
      check(equal((await next.get("k7")) ?? new Uint8Array(), big), "a record's bytes");
      same((await next.extent("a")).bytes, 8 * 2 ** 20, "bytes of the log");
    });

    promise("refuses keys and names that are not printable ASCII, empty or too long", async (store) => {
      for (const bad of ["", "é", "a\u0000b", "tab\t", "\u007f", "x".repeat(STORE_KEY_BYTES_MAX + 1)]) {
        await fails(store.writer().commit([put(bad, "v")]).flushed, "STORE_FAILED");
        await fails(store.writer().commit([append(bad, 0, 1)]).flushed, "STORE_FAILED");
      }
      const longest = "~".repeat(STORE_KEY_BYTES_MAX);
      await store.writer().commit([put(longest, "v"), put(" ", "blank"), append(longest, 0, 1), append(longest, 1, 1)])
        .synced;
      same(text(await store.get(longest)), "v", "the longest key");
      same(text(await store.get(" ")), "blank", "a blank");
      same(firsts(await store.read(longest, 0, ALL)), [0, 1], "the longest name of a log");
      same((await store.list("~")).length, 1, "listed");
    });

    promise("refuses counts and offsets that are not whole numbers", async (store) => {
      for (const write of [
        append("a", 0, 0),
        append("a", 0, 1.5),
        append("a", Number.NaN, 1),
        append("a", -1, 1),
        truncate("a", -1),
        truncate("a", Number.POSITIVE_INFINITY),
      ])
        await fails(store.writer().commit([write]).flushed, "STORE_FAILED");
      same((await store.extent("a")).end, 0, "nothing written");
    });

    promise(
      "refuses appends when it is full, keeps taking records and truncations, and has room again without a restart",
      async (store) => {
        const { capacityBytes } = store.usage();
        same(capacityBytes, SMALL, "capacity");
        check(store.usage().hasRoom, "has room when empty");
        const writer = store.writer();
        let end = 0;
        let failure: unknown;
        while (failure === undefined) {
          check(end < 400, "an append is refused before the capacity is passed");
          await writer.commit([append("a", end, 1, new Uint8Array(32_768))]).flushed.then(
            () => end++,
            (error: unknown) => {
              failure = error;
            },
          );
        }
        check(isMessagingError(failure, "STORE_FULL"), `STORE_FULL, found ${String(failure)}`);
        same(
          (await fails(writer.commit([put("k", "v")]).flushed, "STORE_FAILED")).cause,
          failure,
          "the writer is poisoned",
        );
        const full = store.usage();
        check(full.usedBytes > SMALL / 2 && full.usedBytes <= SMALL, `used ${full.usedBytes} when full`);
        same((await store.extent("a")).end, end, "end");
        const records = store.writer();
        for (const n of count(20)) await records.commit([put(`k${n}`, "v".repeat(500))]).synced;
        await records.commit([truncate("a", end - 2)]).synced;
        for (let tries = 0; !store.usage().hasRoom; tries++) {
          check(tries < 500, "has room again");
          await records.commit([put("tick", String(tries))]).synced;
        }
        check(store.usage().usedBytes < full.usedBytes / 2, `used ${store.usage().usedBytes} after the truncation`);
        await store.writer().commit([append("a", end, 1)]).synced;
      },
      { bytesMax: SMALL },
    );

    promise("keeps what was flushed through a crash, and whole commits in order", async (store, fixture) => {
      const writers = count(4).map(() => store.writer());
      const flushed = [0, 0, 0, 0];
      const commits: Commit[] = [];
      for (const n of count(400)) {
        const w = n % 4;
        const at = Math.floor(n / 4);
        const commit = (writers[w] as ReturnType<Store["writer"]>).commit([
          append(`log-${w}`, at, 1),
          put(`end-${w}`, String(at + 1)),
        ]);
        void commit.flushed.then(
          () => {
            flushed[w] = at + 1;
          },
          () => {},
        );
        commits.push(commit);
        if (n % 40 === 0) await commit.flushed;
      }
      const known = [...flushed];
      const next = await fixture.crash();
      check(next.ownerEpoch > store.ownerEpoch, `owner epoch ${next.ownerEpoch} after ${store.ownerEpoch}`);
      same(next.id, store.id, "the data's id");
      for (const w of count(4)) {
        const { end } = await next.extent(`log-${w}`);
        check(end >= (known[w] as number), `log-${w} ends at ${end}, flushed was ${known[w]}`);
        same(firsts(await next.read(`log-${w}`, 0, ALL)), count(end), `log-${w}`);
        same(text(await next.get(`end-${w}`)), end === 0 ? undefined : String(end), `end-${w}`);
        await next.writer().commit([append(`log-${w}`, end, 1)]).synced;
      }
      await next.verifyOwner();
    });

    it("refuses a second open while the first is there", async () => {
      await using fixture = await open();
      if (fixture.openAgain === undefined) return;
      await fixture.store.writer().commit([put("k", "v")]).synced;
      await fails(fixture.openAgain(), "STORE_IN_USE");
      await fixture.store.writer().commit([put("k", "w")]).synced;
      await fixture.store.verifyOwner();
    });

    it("fences a past owner: it can neither commit nor verify", async () => {
      await using fixture = await open();
      if (fixture.takeOver === undefined) return;
      const { store } = fixture;
      const writer = store.writer();
      await writer.commit([put("k", "1"), append("a", 0, 1)]).synced;
      const next = await fixture.takeOver();
      check(next.ownerEpoch > store.ownerEpoch, `owner epoch ${next.ownerEpoch} after ${store.ownerEpoch}`);
      const refused = await fails(writer.commit([put("k", "2")]).flushed, "STORE_IN_USE");
      same(
        (await fails(writer.commit([put("k", "3")]).flushed, "STORE_FAILED")).cause,
        refused,
        "the writer is poisoned",
      );
      await fails(store.writer().commit([append("a", 1, 1)]).synced, "STORE_IN_USE");
      await fails(store.verifyOwner(), "STORE_IN_USE");
      await next.verifyOwner();
      same(text(await next.get("k")), "1", "nothing of the past owner");
      await next.writer().commit([append("a", 1, 1)]).synced;
    });

    promise("completes on close what was committed before, and takes nothing afterwards", async (store, fixture) => {
      const writers = count(5).map(() => store.writer());
      const commits = count(500).map((n) =>
        (writers[n % 5] as ReturnType<Store["writer"]>).commit([append(`log-${n % 5}`, Math.floor(n / 5), 1)]),
      );
      const closing = store.close();
      const late = (writers[0] as ReturnType<Store["writer"]>).commit([put("late", "v")]);
      await Promise.all([closing, store.close()]);
      await settle(commits);
      await fails(late.flushed, "STORE_FAILED");
      await fails(store.writer().commit([put("later", "v")]).synced, "STORE_FAILED");
      await store.close();
      await store[Symbol.asyncDispose]();
      const next = await fixture.crash();
      for (const n of count(5)) same((await next.extent(`log-${n}`)).end, 100, `log-${n}`);
      same(await next.get("late"), undefined, "a commit made after close");
    });
  });
}

/** Capacity of the store that is filled up, in bytes. */
const SMALL = 8 * 2 ** 20;
const ALL = { bytesMax: Number.MAX_SAFE_INTEGER };
const encoder = new TextEncoder();
const decoder = new TextDecoder();
const append = (
  log: string,
  first: number,
  countOf: number,
  bytes: Uint8Array = encoder.encode(`${log}@${first}`),
): StoreWrite => ({
  kind: "append",
  log,
  first,
  count: countOf,
  bytes,
});
const truncate = (log: string, before: number): StoreWrite => ({ kind: "truncate", log, before });
const put = (key: string, value: string): StoreWrite => ({ kind: "put", key, value: encoder.encode(value) });
const text = (bytes: Uint8Array | undefined): string | undefined =>
  bytes === undefined ? undefined : decoder.decode(bytes);
const firsts = (batches: readonly StoredBatch[]): number[] => batches.map((batch) => batch.first);
const count = (to: number): number[] => Array.from({ length: to }, (_, n) => n);
const equal = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && a.every((byte, n) => byte === b[n]);
async function settle(commits: readonly Commit[]): Promise<void> {
  await Promise.all(commits.map((commit) => commit.synced));
}
function check(ok: boolean, what: string): asserts ok {
  if (!ok) throw new Error(`store compliance: ${what}`);
}
function same(found: unknown, expected: unknown, what: string): void {
  if (found === expected) return;
  const [a, b] = [JSON.stringify(found), JSON.stringify(expected)];
  check(a === b && !(found instanceof Error), `${what}: expected ${b}, found ${a}`);
}
async function fails(promise: Promise<unknown>, code: ErrorCode): Promise<Error> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason ?? "nothing",
  );
  check(error !== undefined, `expected ${code}, but it succeeded`);
  check(isMessagingError(error, code), `expected ${code}, found ${String(error)}`);
  return error;
}
