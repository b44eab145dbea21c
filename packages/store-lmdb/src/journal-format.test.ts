// Transactions of the journal as they were written, cut off, and with wrong bits.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Changes } from "./changes.ts";
import { journalBytesOf, readTransactions, SECTOR_BYTES, TransactionEncoder } from "./journal-format.ts";

const IDENTITY = 0x1234_5678;
const name = fc.string({ unit: fc.constantFrom(..."ab/ ~"), minLength: 1, maxLength: 8 });
const offset = fc.maxSafeNat();
// Zeros as often as not, since a sector without anything else looks as one that was never written.
const bytes = fc
  .tuple(fc.nat(3), fc.uint8Array({ maxLength: 40 }), fc.nat(1_600))
  .map(([times, some, blank]) =>
    Buffer.concat([...Array(times).fill(some), Buffer.alloc(blank), ...Array(times).fill(some)]),
  );
const changes: fc.Arbitrary<Changes> = fc.record({
  logs: fc
    .array(fc.tuple(name, fc.record({ start: offset, end: offset, bytesAtStart: offset, bytesAtEnd: offset })))
    .map((entries) => new Map(entries)),
  records: fc.array(fc.tuple(name, fc.option(bytes, { nil: undefined }))).map((entries) => new Map(entries)),
  batches: fc.array(fc.record({ log: name, first: offset, count: offset, bytesBefore: offset, bytes }), {
    maxLength: 4,
  }),
});

/** A file with these transactions behind its first sector, numbered from 1, and room behind them. */
function fileOf(transactions: readonly Changes[]) {
  const encoder = new TransactionEncoder();
  const parts: Buffer[] = [Buffer.alloc(SECTOR_BYTES, 1)];
  const ends = [SECTOR_BYTES];
  for (const [n, one] of transactions.entries()) {
    const part = Buffer.from(encoder.encode(one, n + 1, IDENTITY));
    expect(part.length).toBe(journalBytesOf(one));
    parts.push(part);
    ends.push((ends.at(-1) as number) + part.length);
  }
  return { file: Buffer.concat([...parts, Buffer.alloc(8 * SECTOR_BYTES)]), ends };
}
const read = (file: Buffer, applied = 0) => readTransactions(file, SECTOR_BYTES, IDENTITY, applied);
/** As values that can be compared: read bytes are parts of the file's. */
const plain = ({ logs, records, batches }: Changes) => ({
  logs: [...logs],
  records: [...records].map(([key, value]) => [key, value === undefined ? null : Buffer.from(value).toString("hex")]),
  batches: batches.map((batch) => ({ ...batch, bytes: Buffer.from(batch.bytes).toString("hex") })),
});

describe("transactions of a journal file", () => {
  it("are read as they were written, from behind the last that lmdb has", () => {
    fc.assert(
      fc.property(fc.array(changes, { maxLength: 5 }), fc.nat(6), (transactions, applied) => {
        const { file } = fileOf(transactions);
        const found = read(file, applied);
        expect(found.map(({ number }) => number)).toEqual(
          transactions.map((_, n) => n + 1).filter((number) => number > applied),
        );
        for (const { number, changes: one } of found)
          expect(plain(one)).toEqual(plain(transactions[number - 1] as Changes));
      }),
    );
  });

  it("end before one of which the disk has only some sectors", () => {
    fc.assert(
      fc.property(fc.array(changes, { minLength: 1, maxLength: 4 }), fc.array(fc.boolean()), (transactions, kept) => {
        const { file, ends } = fileOf(transactions);
        const [begin, end] = ends.slice(-2) as [number, number];
        const before = Buffer.from(file.subarray(begin, end));
        for (let at = begin, n = 0; at < end; at += SECTOR_BYTES, n++)
          if (kept[n] !== true) file.fill(0, at, at + SECTOR_BYTES);
        const isWhole = before.equals(file.subarray(begin, end));
        expect(read(file)).toHaveLength(transactions.length - (isWhole ? 0 : 1));
      }),
    );
  });

  it("are complete or refused with one wrong bit, never fewer", () => {
    fc.assert(
      fc.property(fc.array(changes, { minLength: 1, maxLength: 4 }), fc.nat(), (transactions, bit) => {
        const { file, ends } = fileOf(transactions);
        const from = SECTOR_BYTES * 8;
        const at = from + (bit % ((ends.at(-1) as number) * 8 - from));
        file[at >>> 3] = (file[at >>> 3] as number) ^ (1 << (at & 7));
        let found: unknown;
        try {
          found = read(file).length;
        } catch (error) {
          found = (error as { code?: string }).code;
        }
        expect(["STORE_DAMAGED", transactions.length]).toContain(found);
      }),
      { numRuns: 1_000 },
    );
  });

  it("are refused when one in the middle is not there at all", () => {
    const one: Changes = { logs: new Map(), records: new Map([["k", Buffer.alloc(700, 1)]]), batches: [] };
    const { file, ends } = fileOf([one, one, one]);
    file.fill(0, ends[1], ends[2]);
    expect(() => read(file)).toThrow(expect.objectContaining({ code: "STORE_DAMAGED" }));
    expect(read(file, 3)).toEqual([]); // being made blank, since lmdb has all of them
  });

  it("of another journal are none", () => {
    const { file } = fileOf([{ logs: new Map(), records: new Map([["k", undefined]]), batches: [] }]);
    expect(() => readTransactions(file, SECTOR_BYTES, IDENTITY + 1, 0)).toThrow(
      expect.objectContaining({ code: "STORE_DAMAGED" }),
    );
  });
});
