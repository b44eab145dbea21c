// The memory store with a slow disk, whichever commit it is ready for next: writers, failures, a close and a second
// store meet in any order.
import fc from "fast-check";
import { expect, it } from "vitest";
import { MemoryDisk } from "./memory-disk.ts";
import { createMemoryStore } from "./memory-store.ts";

const WRITERS = 3;
const act = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ do: fc.constant("commit" as const), writer: fc.nat(WRITERS - 1), fails: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom("close" as const, "second" as const, "read" as const) }) },
);

it("settles every commit once, each writer's as a prefix, and shows what it told as flushed", async () => {
  await fc.assert(
    fc.asyncProperty(fc.scheduler(), fc.array(act, { maxLength: 25 }), async (s, acts) => {
      const disk = new MemoryDisk();
      const store = createMemoryStore({ disk });
      const failing = new Set<string>();
      disk.beforeApply = async ([write]) => {
        const key = write?.kind === "put" ? write.key : "";
        await s.schedule(Promise.resolve(), `disk ${key}`);
        if (failing.has(key)) throw new Error("disk");
      };
      const writers = Array.from({ length: WRITERS }, () => store.writer());
      const outcomes: string[][] = writers.map(() => []);
      const waiting: Promise<void>[] = [];
      let closed = false;
      const closes: Promise<void>[] = [];
      for (const [n, one] of acts.entries()) {
        waiting.push(
          s.schedule(Promise.resolve(), `act ${n}`).then(async () => {
            if (one.do === "close") {
              closes.push(store.close());
              closed = true;
            } else if (one.do === "second") createMemoryStore({ disk });
            else if (one.do === "read")
              await store.list("").then(
                () => expect(closed).toBe(false),
                () => expect(closed).toBe(true),
              );
            else if (one.do === "commit") {
              const place = outcomes[one.writer]?.push("pending") as number;
              const key = `${one.writer}/${n}`;
              if (one.fails && n % 3 === 0) failing.add(key);
              const told = (outcome: string) => {
                const mine = outcomes[one.writer] as string[];
                expect(mine[place - 1]).toBe("pending"); // once
                // in order, but for one that comes after `close`
                if (outcome === "flushed") expect(mine.slice(0, place - 1)).not.toContain("pending");
                mine[place - 1] = outcome;
              };
              const { flushed } = (writers[one.writer] as (typeof writers)[0]).commit([
                { kind: "put", key, value: new Uint8Array([n]) },
              ]);
              await flushed.then(
                () => {
                  expect(disk.records.get(key)).toBeDefined();
                  told("flushed");
                },
                () => {
                  expect(disk.records.get(key)).toBeUndefined();
                  told("failed");
                },
              );
            }
          }),
        );
      }
      await s.waitFor(Promise.all(waiting));
      await s.waitFor(Promise.all(closes));
      for (const mine of outcomes) {
        const firstFailure = mine.indexOf("failed");
        if (firstFailure >= 0) expect(mine.slice(firstFailure)).not.toContain("flushed");
        expect(mine).not.toContain("pending");
      }
    }),
    { numRuns: 200 },
  );
});
