// One wrong bit in a data file: the store opens with everything acknowledged, or refuses; it is never silently less.
// `FLIPS=all` tries every bit of the pages on which everything depends; `FLIPS_SEED` another choice of bits.
import { closeSync, copyFileSync, cpSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { simulatedRuntime } from "@seriatim/testing";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openLmdbStore } from "./lmdb-store.ts";
import { type Found, readAll } from "./process.fixture.ts";

const LOGS = ["a", "b", "c"];
const PAGE = 4_096;
/** Of a page's header, and of the meta behind it. */
const HEADER_BYTES = 24;
const META_BYTES = 144;
type Check = "quick" | "full" | "use";
const seed = Number(process.env["FLIPS_SEED"] ?? 1);
const runtime = simulatedRuntime({ seed });
const below = (limit: number) => Math.floor(runtime.random() * limit);

let path = "";
let bytes = Buffer.alloc(0);
let whole: Found = {};
beforeAll(async () => {
  path = mkdtempSync(join(tmpdir(), "seriatim-lmdb-"));
  await fill(path);
  bytes = readFileSync(join(path, "data.mdb"));
  whole = await found([]);
  expect(whole.hash).toBeDefined();
});
afterAll(() => rmSync(path, { recursive: true, force: true }));

/**
 * Many small transactions, so that most pages lie in the file in several versions;
 * the last of them can be told from the one before.
 */
async function fill(folder: string): Promise<void> {
  const store = await openLmdbStore({ path: folder, bytesMax: 2 ** 28 });
  const writer = store.writer();
  for (let n = 0; n < 60; n++) {
    const log = LOGS[n % LOGS.length] as string;
    await writer.commit([
      {
        kind: "append",
        log,
        first: Math.floor(n / LOGS.length),
        count: 1,
        bytes: new Uint8Array(n % 9 === 0 ? 5_000 : 90).fill(n),
      },
      { kind: "put", key: `cursor/${log}`, value: new Uint8Array(20).fill(n) },
      { kind: "put", key: `kept/${n}`, value: new Uint8Array(60).fill(n) },
    ]).synced;
  }
  await writer.commit([{ kind: "truncate", log: "a", before: 4 }]).synced;
  for (let n = 0; n < 6; n++) await writer.commit([{ kind: "put", key: "last", value: new Uint8Array([n]) }]).synced;
  await store.close();
}

/** What is found in copies of the file, each with these bits (counted from its start) the other way round. */
async function foundIn(copies: readonly (readonly number[])[], check: Check = "quick"): Promise<Found[]> {
  const folders = copies.map((bits) => {
    const copy = mkdtempSync(join(tmpdir(), "seriatim-lmdb-"));
    cpSync(join(path, "store.json"), join(copy, "store.json"));
    copyFileSync(join(path, "data.mdb"), join(copy, "data.mdb"));
    const file = openSync(join(copy, "data.mdb"), "r+");
    for (const bit of bits)
      writeSync(file, Uint8Array.of((bytes[bit >>> 3] as number) ^ (1 << (bit & 7))), 0, 1, bit >>> 3);
    closeSync(file);
    return copy;
  });
  try {
    return await readAll(folders, LOGS, check);
  } finally {
    for (const copy of folders) rmSync(copy, { recursive: true, force: true });
  }
}
const found = async (bits: readonly number[]): Promise<Found> => (await foundIn([bits]))[0] as Found;

/** How many came out which way; none may be silently less. */
async function outcomes(copies: readonly (readonly number[])[], check: Check = "quick") {
  const counts = { complete: 0, refused: 0, died: 0 };
  const wrong: string[] = [];
  for (let at = 0; at < copies.length; at += 400) {
    const some = copies.slice(at, at + 400);
    for (const [n, one] of (await foundIn(some, check)).entries()) {
      if (one.signal !== undefined) counts.died += 1;
      else if (one.hash !== undefined) {
        counts.complete += 1;
        if (one.hash !== whole.hash || one.ownerEpoch !== (whole.ownerEpoch ?? 0) + (check === "use" ? 1 : 0))
          wrong.push(`${where(some[n])}: silently other, owner epoch ${one.ownerEpoch}`);
      } else {
        counts.refused += 1;
        // damage in the free list shows when a page is to be written: the commit fails, and what was committed stays
        if (one.code !== "STORE_DAMAGED" && !(check === "use" && one.code === "STORE_FAILED"))
          wrong.push(`${where(some[n])}: ${one.code} ${one.message}`);
      }
    }
  }
  expect(wrong, `seed ${seed}`).toEqual([]);
  return counts;
}
const where = (bits: readonly number[] = []) =>
  bits.map((bit) => `page ${Math.floor(bit / 8 / PAGE)} byte ${(bit >>> 3) % PAGE} bit ${bit & 7}`).join(", ");

/** All bits of these bytes, or as many of them as the tests take time for. */
function bitsOf(from: number, to: number, most: number): number[][] {
  const all = Array.from({ length: (to - from) * 8 }, (_, n) => from * 8 + n);
  if (process.env["FLIPS"] === "all") return all.map((bit) => [bit]);
  return Array.from({ length: most }, () => [all[below(all.length)] as number]);
}
/** Where a meta page names the root of the free list, and of what names all tables. */
const ROOT = { free: HEADER_BYTES + 64, tables: HEADER_BYTES + 112 };
/**
 * The one bit that nothing shows (see data-file.ts): with it, the newer meta page's
 * transaction n reads n - 2, just as if the newest state had never been committed.
 * Only where n has that bit; else the two pages are no neighbours any more.
 */
function hiddenBit(): number {
  const [a, b] = [0, PAGE].map((meta) => bytes.readBigUInt64LE(meta + HEADER_BYTES + 128)) as [bigint, bigint];
  return ((a > b ? 0 : PAGE) + HEADER_BYTES + 128) * 8 + 1;
}
/** Bits of the root page of the newest state: of its header, and of what it holds. */
function bitsOfRoot(at: number) {
  const transactions = [0, PAGE].map((meta) => bytes.readBigUInt64LE(meta + HEADER_BYTES + 128)) as [bigint, bigint];
  const meta = transactions[0] > transactions[1] ? 0 : PAGE;
  const from = Number(bytes.readBigUInt64LE(meta + at)) * PAGE;
  const used = HEADER_BYTES + bytes.readUInt16LE(from + 22);
  return { head: bitsOf(from, from + HEADER_BYTES + 10, 50), entries: bitsOf(from + used, from + PAGE, 150) };
}

describe("a data file", () => {
  it("is whole though the older meta page's root has been written over: a transaction died before its own meta page (chaos seed 1)", async () => {
    const transactions = [0, PAGE].map((meta) => bytes.readBigUInt64LE(meta + HEADER_BYTES + 128)) as [bigint, bigint];
    const older = transactions[0] < transactions[1] ? 0 : PAGE;
    const root = Number(bytes.readBigUInt64LE(older + ROOT.tables)) * PAGE;
    const newer = Number(bytes.readBigUInt64LE(PAGE - older + ROOT.tables)) * PAGE;
    expect(root).not.toBe(newer);
    const { hash, ownerEpoch } = await found([(root + HEADER_BYTES / 3) * 8, (root + 8) * 8 + 5]);
    expect([hash, ownerEpoch]).toEqual([whole.hash, whole.ownerEpoch]);
  });
});

describe("a wrong bit in a data file", () => {
  it("in a meta page", async () => {
    for (const from of [0, PAGE]) {
      const bits = bitsOf(from, from + HEADER_BYTES + META_BYTES, 100).filter(([bit]) => bit !== hiddenBit());
      const { refused } = await outcomes(bits);
      expect(refused).toBeGreaterThan(0);
    }
  });

  it("in the page that names all tables", async () => {
    const { head, entries } = bitsOfRoot(ROOT.tables);
    const { refused } = await outcomes([...head, ...entries]);
    expect(refused).toBeGreaterThan(50);
  });

  it("in any page, also two at once", async () => {
    const anyBit = () => below(bytes.length * 8);
    await outcomes(Array.from({ length: 150 }, () => [anyBit()]));
    await outcomes(
      Array.from({ length: 60 }, () => [anyBit(), anyBit()]),
      "full",
    );
  });

  it("in any page or the list of free ones, when the store goes on to be used", async () => {
    const { head, entries } = bitsOfRoot(ROOT.free);
    await outcomes(
      [...head.slice(0, 10), ...entries.slice(0, 20), ...Array.from({ length: 20 }, () => [below(bytes.length * 8)])],
      "use",
    );
  });
});
