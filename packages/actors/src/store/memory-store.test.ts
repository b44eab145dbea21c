import { describe, expect, it } from "vitest";
import { MemoryDisk } from "./memory-disk.ts";
import { createMemoryStore } from "./memory-store.ts";
import type { StoreWrite } from "./store.ts";

const put = (key: string): StoreWrite => ({ kind: "put", key, value: new Uint8Array(1) });

describe("memory store", () => {
  it("waits with a commit, and all after it, while its disk says so", async () => {
    const disk = new MemoryDisk();
    const gate = resolvers();
    disk.beforeApply = ([write]) => (write?.kind === "put" && write.key === "slow" ? gate.promise : undefined);
    const store = createMemoryStore({ disk });
    const order: string[] = [];
    const commits = ["quick", "slow", "later"].map((key) =>
      store
        .writer()
        .commit([put(key)])
        .flushed.then(() => order.push(key)),
    );
    await commits[0];
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(order).toEqual(["quick"]);
    expect(await store.get("slow")).toBeUndefined();
    gate.resolve();
    await Promise.all(commits);
    expect(order).toEqual(["quick", "slow", "later"]);
  });

  it("fails a commit, and its writer, when its disk does", async () => {
    const disk = new MemoryDisk();
    const store = createMemoryStore({ disk });
    disk.beforeApply = () => {
      throw new Error("no more disk");
    };
    const writer = store.writer();
    await expect(writer.commit([put("a")]).flushed).rejects.toMatchObject({ code: "STORE_FAILED" });
    disk.beforeApply = undefined;
    await expect(writer.commit([put("a")]).flushed).rejects.toMatchObject({
      code: "STORE_FAILED",
      cause: { code: "STORE_FAILED" },
    });
    await store.writer().commit([put("a")]).flushed;
  });

  it("loses what was not yet applied when the disk is opened again", async () => {
    const disk = new MemoryDisk();
    const gate = resolvers();
    const first = createMemoryStore({ disk });
    await first.writer().commit([put("kept")]).flushed;
    disk.beforeApply = () => gate.promise;
    const lost = first.writer().commit([put("lost")]);
    disk.beforeApply = undefined;
    const second = createMemoryStore({ disk });
    gate.resolve();
    await expect(lost.flushed).rejects.toMatchObject({ code: "STORE_IN_USE" });
    expect((await second.list("")).map((record) => record.key)).toEqual(["kept"]);
    expect([first.ownerEpoch, second.ownerEpoch]).toEqual([1, 2]);
  });

  it("refuses options it cannot honour", () => {
    expect(() => createMemoryStore({ bytesMax: 0 })).toThrow(/"bytesMax"/);
    expect(() => createMemoryStore({ bytesMax: 5, disk: new MemoryDisk() })).toThrow(/"bytesMax"/);
  });
});

function resolvers(): { promise: Promise<void>; resolve: () => void } {
  let resolve = () => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
