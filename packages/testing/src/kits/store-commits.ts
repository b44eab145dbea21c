import type { Store } from "@seriatim/actors/store";
import {
  ALL,
  append,
  check,
  count,
  fails,
  firsts,
  put,
  type StorePromise,
  same,
  settle,
  text,
  truncate,
} from "./store-harness.ts";

/** Commits: whole, in order, and never inside the call. */
export function commits(promise: StorePromise): void {
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
}
