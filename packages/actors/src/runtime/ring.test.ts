import * as fc from "fast-check";
import { expect, it } from "vitest";
import { Ring } from "./ring.ts";

it("behaves as an array does", () => {
  const operation = fc.oneof(
    { weight: 4, arbitrary: fc.record({ do: fc.constant("push" as const), value: fc.integer() }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant("shift" as const), value: fc.constant(0) }) },
    {
      weight: 1,
      arbitrary: fc.record({
        do: fc.constantFrom("retain" as const, "clear" as const),
        value: fc.integer({ min: 2, max: 5 }),
      }),
    },
  );
  void fc.assert(
    fc.property(fc.array(operation, { maxLength: 300 }), (operations) => {
      const ring = new Ring<number>();
      let model: number[] = [];
      for (const { do: what, value } of operations) {
        if (what === "push") {
          ring.push(value);
          model.push(value);
        } else if (what === "shift") expect(ring.shift()).toBe(model.shift());
        else if (what === "retain") {
          ring.retain((item) => item % value !== 0);
          model = model.filter((item) => item % value !== 0);
        } else if (value === 5) {
          ring.clear();
          model = [];
        }
        expect([ring.length, ring.peek(), ring.at(model.length - 1), ring.at(model.length), ring.at(-1)]).toEqual([
          model.length,
          model[0],
          model.at(-1),
          undefined,
          undefined,
        ]);
      }
      expect([...ring]).toEqual(model);
    }),
  );
});
