// Records as they are listed: what is in the journal over what is in lmdb.
import { simulatedRuntime } from "@seriatim/testing";
import { afterEach, describe, expect, it, vi } from "vitest";
import { Layer } from "./layer.ts";
import { openLmdbStore } from "./lmdb-store.ts";
import { openFolder } from "./open-folder.ts";
import { settingsOf } from "./options.ts";
import { folder, removeFolders } from "./process.fixture.ts";
import { listOf } from "./view.ts";

afterEach(() => {
  vi.restoreAllMocks();
  removeFolders();
});

describe("records in the journal", () => {
  it("are listed page by page by reading each about once, however many there are", async () => {
    const store = await openLmdbStore({ path: folder(), bytesMax: 2 ** 28 });
    const writer = store.writer();
    while (!store.isJournaling) await writer.commit([{ kind: "remove", key: "none" }]).synced;
    const count = 3_000;
    const keys = Array.from({ length: count }, (_, n) => `strand/${String(n).padStart(6, "0")}`);
    for (let at = 0; at < count; at += 500)
      await writer.commit(keys.slice(at, at + 500).map((key) => ({ kind: "put", key, value: Uint8Array.of(1) })))
        .synced;
    let read = 0;
    const { listed } = Layer.prototype;
    vi.spyOn(Layer.prototype, "listed").mockImplementation(function (this: Layer, ...args) {
      const found = listed.apply(this, args);
      read += found.length;
      return found;
    });
    const found: string[] = [];
    for (const limit of [100, 1]) {
      found.length = 0;
      read = 0;
      for (let after: string | undefined; ; after = found.at(-1)) {
        const page = await store.list("strand/", { limit, ...(after === undefined ? {} : { after }) });
        found.push(...page.map(({ key }) => key));
        if (page.length < limit) break;
      }
      expect(found, `pages of ${limit}`).toEqual(keys);
      expect(read, `pages of ${limit}`).toBe(count);
    }
    await store.close();
  });

  it("hide what lmdb has under the same keys, with any limit and from any key on", async () => {
    const seed = 1;
    const { random } = simulatedRuntime({ seed });
    const below = (limit: number) => Math.floor(random() * limit);
    const path = folder();
    const { data } = await openFolder(path, settingsOf({ path, bytesMax: 2 ** 28 }));
    const name = () => `${["a", "a/b", "c"][below(3)]}/${below(40)}`;
    const expected = new Map<string, number>();
    const { env } = data;
    const store = await openLmdbStore({ path }, { lock: false });
    for (let n = 0; n < 60; n++) {
      const key = name();
      expected.set(key, 0);
      await store.writer().commit([{ kind: "put", key, value: Uint8Array.of(0) }]).synced;
    }
    await store.close();
    env.root.resetReadTxn();
    for (let number = 1; number <= 3; number++) {
      const layer = new Layer();
      for (let n = 0; n < 40; n++) {
        const key = name();
        const isRemoved = below(3) === 0;
        layer.add(
          { logs: new Map(), batches: [], records: new Map([[key, isRemoved ? undefined : Uint8Array.of(number)]]) },
          1,
          n + 1,
        );
        if (isRemoved) expected.delete(key);
        else expected.set(key, number);
      }
      data.layers.unshift(layer);
      const sorted = [...expected].sort(([a], [b]) => (a < b ? -1 : 1));
      for (let n = 0; n < 200; n++) {
        const prefix = ["", "a", "a/", "a/b/", "c/", "d"][below(6)] as string;
        const after = below(3) === 0 ? undefined : name();
        const limit = below(4) === 0 ? undefined : below(12);
        const right = sorted
          .filter(([key]) => key.startsWith(prefix) && (after === undefined || key > after))
          .slice(0, limit);
        const options = { ...(after === undefined ? {} : { after }), ...(limit === undefined ? {} : { limit }) };
        expect(
          listOf(data, prefix, options).map(({ key, value }) => [key, value[0]]),
          `seed ${seed}: ${JSON.stringify([prefix, options])}`,
        ).toEqual(right);
      }
    }
    await env.root.close();
  });
});
