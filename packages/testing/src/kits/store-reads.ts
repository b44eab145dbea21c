import { STORE_KEY_BYTES_MAX } from "@seriatim/actors/store";
import {
  ALL,
  append,
  check,
  count,
  equal,
  fails,
  firsts,
  put,
  type StorePromise,
  same,
  settle,
  text,
  truncate,
} from "./store-harness.ts";

/** Logs and records: what was written is what is read. */
export function reads(promise: StorePromise): void {
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

  promise("truncates whole batches only", async (store) => {
    const writer = store.writer();
    await settle([append("a", 0, 10), append("a", 10, 10), append("a", 20, 10)].map((write) => writer.commit([write])));
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
}
