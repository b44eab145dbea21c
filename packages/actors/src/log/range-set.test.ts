import fc from "fast-check";
import { expect, it } from "vitest";
import { RangeSet } from "./range-set.ts";

const range = fc.tuple(fc.nat(60), fc.nat(12)).map(([from, length]) => [from, from + length] as const);
it("is a set of offsets, whatever is added and removed", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.boolean(), range), { maxLength: 40 }), (steps) => {
      const ranges = new RangeSet();
      const model = new Set<number>();
      for (const [adds, [from, to]] of steps) {
        let added = 0;
        for (let at = from; at < to; at++) {
          if (adds && !model.has(at)) added++;
          if (adds) model.add(at);
          else model.delete(at);
        }
        if (adds) expect(ranges.add(from, to)).toBe(added);
        else ranges.remove(from, to);
        const sorted = [...model].sort((a, b) => a - b);
        expect([...ranges.offsets()]).toEqual(sorted);
        expect(ranges.size).toBe(model.size);
        expect(ranges.isEmpty).toBe(model.size === 0);
        for (let at = 0; at < 75; at += 3) {
          expect(ranges.has(at)).toBe(model.has(at));
          expect(ranges.countBelow(at)).toBe(sorted.filter((one) => one < at).length);
          let absent = at;
          while (model.has(absent)) absent++;
          expect(ranges.nextAbsent(at)).toBe(absent);
          expect(ranges.nextPresent(at)).toBe(sorted.find((one) => one >= at) ?? Number.MAX_SAFE_INTEGER);
          expect(ranges.intersects(at, at + 4)).toBe(sorted.some((one) => one >= at && one < at + 4));
        }
        const pairs = ranges.pairs();
        pairs.forEach(([low, high], index) => {
          expect(low).toBeLessThan(high);
          if (index > 0) expect(low).toBeGreaterThan(pairs[index - 1]![1]); // disjoint, and never touching
        });
      }
    }),
    { numRuns: 100 },
  );
});
