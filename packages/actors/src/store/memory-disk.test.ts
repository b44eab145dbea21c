import { describe, expect, it } from "vitest";
import { simulatedRuntime } from "../runtime/simulated-runtime.ts";
import { MemoryDisk } from "./memory-disk.ts";
import type { StoreWrite } from "./store.ts";

const put = (key: string, text: string): StoreWrite => ({ kind: "put", key, value: new TextEncoder().encode(text) });
const append = (first: number, count: number): StoreWrite => ({
  kind: "append",
  log: "log",
  first,
  count,
  bytes: new Uint8Array(count),
});
const disk = () => new MemoryDisk({ runtime: simulatedRuntime({ seed: 1 }) });
const all = (of: MemoryDisk) => ({
  records: of.records.list("", undefined, 100).map(({ key, value }) => [key, new TextDecoder().decode(value)]),
  extent: of.logs.get("log")?.extent() ?? null,
  batches:
    of.logs
      .get("log")
      ?.read(0, 1_000)
      .map(({ first, count }) => [first, count]) ?? [],
  usedBytes: of.usedBytes,
});

describe("a disk that loses power", () => {
  it("goes back to what was synced, whatever was written since", () => {
    const lost = disk();
    lost.keepUndo();
    lost.apply([put("a", "1"), append(0, 2)]);
    lost.apply([append(2, 3)]);
    lost.synced(lost.applied);
    const before = all(lost);
    lost.apply([put("a", "2"), put("b", "1"), append(5, 1)]);
    lost.apply([
      { kind: "truncate", log: "log", before: 5 },
      { kind: "remove", key: "a" },
    ]);
    lost.apply([append(6, 4), put("b", "2")]);
    expect(lost.losePower(1)).toBe(3);
    expect(all(lost)).toEqual(before);
    lost.apply([append(5, 7)]);
    expect(all(lost).extent).toEqual({ start: 0, end: 12, bytes: 12 });
  });

  it("keeps a prefix when not everything is lost, and syncs what it has kept", () => {
    const lost = disk();
    lost.keepUndo();
    for (const text of ["1", "2", "3", "4"]) lost.apply([put("a", text)]);
    expect(lost.losePower(0.5)).toBe(2);
    expect(all(lost).records).toEqual([["a", "2"]]);
    expect(lost.losePower(1)).toBe(0);
  });

  it("forgets a log that was begun after the last sync", () => {
    const lost = disk();
    lost.keepUndo();
    lost.apply([append(0, 2)]);
    lost.losePower(1);
    expect(lost.logs.has("log")).toBe(false);
    expect(lost.usedBytes).toBe(0);
  });
});
