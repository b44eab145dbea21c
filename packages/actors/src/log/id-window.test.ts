import fc from "fast-check";
import { expect, it, vi } from "vitest";
import { IDS_LENGTH_MAX, IDS_MAX, IdWindow } from "./id-window.ts";

const WINDOW_MS = 100;

it("remembers what a list of all that was noted would", () => {
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ do: fc.constant("note" as const), id: fc.nat(12), laterMs: fc.nat(30) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("remove" as const), share: fc.nat(100) }) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const ids = new IdWindow(WINDOW_MS);
      let noted: { id: string; offset: number; atMs: number }[] = [];
      let [nowMs, start, end] = [0, 0, 0];
      const remembered = () => noted.filter(({ atMs }) => nowMs - atMs <= WINDOW_MS);
      for (const one of steps) {
        if (one.do === "note") {
          nowMs += one.laterMs;
          const id = `id-${one.id}`;
          const known = remembered().find((each) => each.id === id);
          expect(ids.find(id, nowMs)).toBe(known?.offset);
          if (known !== undefined) continue;
          noted = noted.filter((each) => each.id !== id);
          noted.push({ id, offset: end, atMs: nowMs });
          ids.note(id, end++, nowMs);
        } else {
          const before = start + Math.floor(((end - start) * one.share) / 100);
          const expected = remembered().filter(({ offset }) => offset >= start && offset < before);
          expect(ids.remove(start, before, nowMs)).toEqual(expected);
          start = before;
        }
      }
    }),
  );
});

it("forgets the oldest past its bound, removed from the log or not", () => {
  const ids = new IdWindow(WINDOW_MS);
  for (let n = 0; n < IDS_MAX; n++) ids.note(`id-${n}`, n, 0);
  expect(ids.remove(0, 10, 0)).toHaveLength(10);
  for (let n = 0; n < 12; n++) ids.note(`later-${n}`, IDS_MAX + n, 0);
  const known = [0, 9, 10, 11, 12].map((n) => ids.find(`id-${n}`, 0));
  expect(known).toEqual([undefined, undefined, undefined, undefined, 12]);
});

it("forgets the oldest past its bound of characters, however often an id comes", () => {
  const ids = new IdWindow(WINDOW_MS);
  const long = (n: number) => String(n).padEnd(1_024, "x");
  const most = IDS_LENGTH_MAX / 1_024;
  for (let n = 0; n < most; n++) ids.note(long(n), n, 0);
  expect(ids.remove(0, 2, 0)).toHaveLength(2);
  for (let again = 0; again < 3; again++) ids.note(long(1), most + again, 0); // it was counted before
  expect([ids.find(long(0), 0), ids.find(long(1), 0)]).toEqual([0, most + 2]);
  ids.note(long(most), most + 3, 0);
  ids.note(long(most + 1), most + 4, 0);
  expect([0, 1, 2, 3, most].map((n) => ids.find(long(n), 0))).toEqual([undefined, most + 2, undefined, 3, most + 3]);
});

it("walks what is removed, and nothing that was removed before or stays", () => {
  const ids = new IdWindow(WINDOW_MS);
  for (let n = 0; n < 10_000; n++) ids.note(`id-${n}`, n, 0);
  let walked = 0;
  const next = Object.getPrototypeOf(new Map().entries()).next as () => IteratorResult<unknown>;
  vi.spyOn(Object.getPrototypeOf(new Map().entries()), "next").mockImplementation(function (this: unknown) {
    walked += 1;
    return next.call(this);
  });
  for (let before = 10; before <= 1_000; before += 10) expect(ids.remove(before - 10, before, 0)).toHaveLength(10);
  vi.restoreAllMocks();
  expect(walked).toBe(100 * 11); // each removed one, and the first that stays
});
