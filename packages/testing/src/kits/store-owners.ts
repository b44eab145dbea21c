import { isMessagingError } from "@seriatim/actors";
import type { Commit, Store } from "@seriatim/actors/store";
import {
  ALL,
  append,
  check,
  count,
  fails,
  firsts,
  put,
  SMALL,
  type StorePromise,
  same,
  settle,
  text,
  truncate,
} from "./store-harness.ts";

/** Room, crashes, owners, and the end. */
export function owners(promise: StorePromise): void {
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

  promise("refuses a second open while the first is there", async (_, fixture) => {
    if (fixture.openAgain === undefined) return;
    await fixture.store.writer().commit([put("k", "v")]).synced;
    await fails(fixture.openAgain(), "STORE_IN_USE");
    await fixture.store.writer().commit([put("k", "w")]).synced;
    await fixture.store.verifyOwner();
  });

  promise("fences a past owner: it can neither commit nor verify", async (store, fixture) => {
    if (fixture.takeOver === undefined) return;
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
}
