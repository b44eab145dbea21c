import { eventLog } from "@seriatim/rig";
import { describe, expect, it } from "vitest";
import { poisonOf, stretchOf } from "./load.ts";

const log = eventLog(
  "made for this test",
  Array.from({ length: 300 }, (_, n) => ({ key: `case-${n % 30}`, atMs: n, fields: { n: `${n}` } })),
);

describe("stretchOf", () => {
  it("gives each round keys of its own, with places from 0 in the log's order", () => {
    const [first, second] = [stretchOf(log, 1, 100), stretchOf(log, 2, 100)];
    expect(first.events).toHaveLength(100);
    expect(new Set([...first.keys.keys(), ...second.keys.keys()]).size).toBe(first.keys.size + second.keys.size);
    const seen = new Map<string, number>();
    for (const { key, ordinal, id } of second.events) {
      expect(ordinal).toBe(seen.get(key) ?? 0);
      expect(id).toBe(`${key}#${ordinal}`);
      seen.set(key, ordinal + 1);
    }
  });
  it("goes through the whole log and begins again", () => {
    const fieldsOf = (round: number) => stretchOf(log, round, 100).events.map(({ fields }) => fields);
    expect([1, 2, 3].flatMap(fieldsOf)).toEqual(log.events.map(({ fields }) => fields));
    expect(fieldsOf(4)).toEqual(fieldsOf(1));
    expect(stretchOf(log, 9, 1_000).events).toHaveLength(300);
  });
});

describe("poisonOf", () => {
  it("takes one message of some keys, with others of its key behind it", () => {
    const poison = poisonOf(log, 3);
    expect(poison.size).toBe(10);
    for (const id of poison) expect(id).toMatch(/#5$/);
  });
});
