import fc from "fast-check";
import { expect, it } from "vitest";
import { CursorWaits } from "./cursor-waits.ts";

it("calls back who waits for what the cursor has come to, in order, once, and nobody else", () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant("add" as const), end: fc.nat(20) }),
    fc.record({ kind: fc.constant("cancel" as const), pick: fc.nat(40) }),
    fc.record({ kind: fc.constant("reach" as const), by: fc.nat(4) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const waits = new CursorWaits();
      const told: number[] = [];
      let model: { readonly id: number; readonly end: number }[] = [];
      const cancels: { readonly id: number; cancel(): void }[] = [];
      let cursor = 0;
      steps.forEach((each, id) => {
        if (each.kind === "add") {
          const end = cursor + 1 + each.end;
          model.push({ id, end });
          cancels.push({ id, cancel: waits.add(end, () => told.push(id)) });
        } else if (each.kind === "cancel") {
          const one = cancels[each.pick];
          one?.cancel();
          model = model.filter((waiter) => waiter.id !== one?.id);
        } else {
          cursor += each.by;
          told.length = 0;
          waits.reach(cursor);
          const due = model.filter(({ end }) => end <= cursor).sort((a, b) => a.end - b.end || a.id - b.id);
          expect(told).toEqual(due.map((waiter) => waiter.id));
          model = model.filter(({ end }) => end > cursor);
        }
        expect(waits.size).toBe(new Set(model.map(({ end }) => end)).size);
      });
    }),
    { numRuns: 200 },
  );
});
