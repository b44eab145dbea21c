import { describe, expect, it } from "vitest";
import type { Row } from "../frame/row.ts";
import { resultsOf, SIDES, type Side, sidedRows, sidesOf } from "./sided.ts";

const row = (name: string, ours: boolean): Row => ({
  name,
  scenario: "test",
  ours,
  durable: "no",
  system: "none",
  variant: "",
  load: {},
});
const rows = [row("a", true), row("peer", false)];

describe("sides", () => {
  it("take turns, so that each is first and last equally often, and each pair side by side", () => {
    const orders = [1, 2, 3, 4, 5, 6].map(sidesOf);
    for (const side of SIDES) {
      expect(orders.filter(([first]) => first === side)).toHaveLength(2);
      expect(orders.filter((order) => order.at(-1) === side)).toHaveLength(2);
    }
    const together = (one: Side, other: Side) =>
      orders.filter((order) => Math.abs(order.indexOf(one) - order.indexOf(other)) === 1);
    expect(together("before", "after")).toHaveLength(4);
    expect(together("before", "before again")).toHaveLength(4);
    expect(sidesOf(2)).toEqual(sidesOf(1).toReversed());
    expect(sidesOf(7)).toEqual(sidesOf(1));
  });
  it("of a row run one right after the other, and a peer's row runs once", () => {
    expect(sidedRows(rows, 1).map(({ name }) => name)).toEqual(["a (before)", "a (after)", "a (before again)", "peer"]);
  });
  it("each have results under the rows' own names, with those of peers", () => {
    const measured = (rate: number) => ({ messagesPerSecond: rate, cpuMicros: {} });
    const of = new Map([
      ["a (before)", [measured(1)]],
      ["a (after)", [measured(2)]],
      ["peer", [measured(3)]],
    ]);
    const after = resultsOf(rows, { of, failures: [] }, "after").of;
    expect([...after]).toEqual([
      ["a", [measured(2)]],
      ["peer", [measured(3)]],
    ]);
  });
});
