import { describe, expect, it } from "vitest";
import { BrokerBench } from "../broker/broker.fixture.ts";
import { topicSpec } from "../message/topic.ts";
import { simulatedRuntime } from "../runtime/simulated-runtime.ts";
import { MemoryDisk } from "../store/memory-disk.ts";
import { createMemoryStore } from "../store/memory-store.ts";
import { decodeRecord, encodeRecord, storeKeys } from "./records.ts";
import { decodeBatch, encodeBatch } from "./stored-batch.ts";

const newer = (what: string) =>
  expect.objectContaining({
    code: "FORMAT_UNSUPPORTED",
    retryable: false,
    message: `${what}, which is of a newer version: open the data with the version that wrote it, or a newer one`,
  });

describe("a record", () => {
  it("of a newer encoding says so; one that is none is damage", () => {
    expect(decodeRecord("k", encodeRecord([1, "a", null]))).toEqual([1, "a", null]);
    expect(() => decodeRecord("k", Uint8Array.of(0xc1, 2, 7, 7))).toThrow(newer('record "k" has encoding 2'));
    expect(() => decodeRecord("k", Uint8Array.of(0xd9, 200))).toThrow(
      expect.objectContaining({ code: "STORE_DAMAGED" }),
    );
  });
  it("of a newer encoding is refused where it is opened, and what is stored stays as it is", async () => {
    const runtime = simulatedRuntime({ seed: 3 });
    const disk = new MemoryDisk({ runtime });
    const store = createMemoryStore({ runtime, disk });
    const value = Uint8Array.of(0xc1, 2, 0);
    await runtime.run(store.writer().commit([{ kind: "put", key: storeKeys.topic("t"), value }]).synced);
    await store.close();
    const open = BrokerBench.start({ runtime, disk, topics: [topicSpec({ name: "t" })] });
    await expect(runtime.run(open)).rejects.toThrow(newer('record "t/t" has encoding 2'));
    const again = createMemoryStore({ runtime, disk });
    expect(await again.get(storeKeys.topic("t"))).toEqual(value);
  });
});

describe("a stored batch", () => {
  const stored = (layout: number) => {
    const bytes = encodeBatch(1_000, 1, [Uint8Array.of(1, 2, 3)]);
    bytes[0] = layout;
    return { first: 7, count: 1, bytes };
  };
  it("of a newer layout says so; one of none that ever was is damage", () => {
    expect(decodeBatch("q/t/0", stored(1))).toMatchObject({ first: 7, appendedAtMs: 1_000 });
    expect(() => decodeBatch("q/t/0", stored(2))).toThrow(newer('batch 7 of log "q/t/0" has layout 2'));
    for (const bytes of [stored(0).bytes, new Uint8Array(0), stored(1).bytes.subarray(0, 5)])
      expect(() => decodeBatch("q/t/0", { first: 7, count: 1, bytes })).toThrow(
        expect.objectContaining({ code: "STORE_DAMAGED" }),
      );
  });
});
