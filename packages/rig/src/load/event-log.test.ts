import { describe, expect, it } from "vitest";
import { eventLog, generatedLog, ordinalOf, shares } from "./event-log.ts";
import { STEPS_MIN } from "./order-lifecycle.ts";

describe("eventLog", () => {
  it("sorts by time and keeps the order of ties", () => {
    const at = (key: string, atMs: number, name: string) => ({ key, atMs, fields: { name } });
    const log = eventLog("test", [at("a", 2, "late"), at("a", 1, "first"), at("b", 1, "second"), at("a", 1, "third")]);
    expect(log.events.map(({ fields }) => fields["name"])).toEqual(["first", "second", "third", "late"]);
    expect(log.events.map(({ id }) => id)).toEqual(["a#0", "b#0", "a#1", "a#2"]);
    expect([...log.keys]).toEqual([["a", 3], ["b", 1]]); // biome-ignore format: short
  });
  it("tells an event's place from its id, also when the key has a # itself", () => {
    expect(ordinalOf("order#7#12")).toBe(12);
  });
});

describe("generatedLog", () => {
  const log = generatedLog({ seed: 1, orders: 2_000 });

  it("has at least 20,000 events of 2,000 orders", () => {
    expect(log.keys.size).toBe(2_000);
    expect(log.events.length).toBeGreaterThanOrEqual(20_000);
    expect(Math.min(...log.keys.values())).toBeGreaterThanOrEqual(STEPS_MIN);
  });
  it("is the same for the same seed and another for another", () => {
    const small = (seed: number) => generatedLog({ seed, orders: 50 }).events;
    expect(small(1)).toEqual(small(1));
    expect(small(1)).not.toEqual(small(2));
  });
  it("begins each order with its placing and interleaves the orders", () => {
    const first = new Map(log.events.toReversed().map((event) => [event.key, event]));
    expect(new Set([...first.values()].map(({ fields }) => fields["type"]))).toEqual(new Set(["placed"]));
    const changes = log.events.filter((event, index) => index > 0 && log.events[index - 1]?.key !== event.key).length;
    expect(changes).toBeGreaterThan(log.events.length * 0.9);
  });
  it("never goes back in time, and gives unique ids", () => {
    expect(log.events.every((event, index) => index === 0 || event.atMs >= (log.events[index - 1]?.atMs ?? 0))).toBe(
      true,
    );
    expect(new Set(log.events.map(({ id }) => id)).size).toBe(log.events.length);
  });
});

describe("shares", () => {
  it("gives each key to one producer, in the log's order, in fair parts", () => {
    const log = generatedLog({ seed: 3, orders: 100 });
    const split = shares(log, 3);
    expect(split.flat().length).toBe(log.events.length);
    const keys = split.map((share) => new Set(share.map(({ key }) => key)));
    expect(keys.reduce((sum, one) => sum + one.size, 0)).toBe(log.keys.size);
    const place = new Map(log.events.map(({ id }, index) => [id, index]));
    for (const share of split) {
      const places = share.map(({ id }) => place.get(id) ?? -1);
      expect(places).toEqual(places.toSorted((a, b) => a - b));
      expect(share.length).toBeGreaterThan(log.events.length / 4);
    }
  });
});
