import { describe, expect, it } from "vitest";
import { PrincipalCache } from "./principal-cache.ts";

describe("cache", () => {
  const make = (inUse: (key: string) => boolean = () => false) => {
    const dropped: string[] = [];
    const bounds = { eachMax: 3, allMax: 8, isInUse: inUse, dropped: (key: string) => void dropped.push(key) };
    return { cache: new PrincipalCache<number>(bounds), dropped };
  };

  it("drops the oldest of the one that has too many, and nothing of anybody else's", () => {
    const { cache, dropped } = make();
    cache.set("alice", "a", 1);
    for (let n = 0; n < 1_000; n++) cache.set("mallory", `m${n}`, n);
    expect(cache.get("alice", "a")).toBe(1);
    expect([cache.size, cache.get("mallory", "m996"), cache.get("mallory", "m997")]).toEqual([4, undefined, 997]);
    expect(dropped).toHaveLength(997);
    cache.set("alice", "a", 2); // the newest again, and not a second one
    expect([cache.size, cache.get("alice", "a")]).toEqual([4, 2]);
    cache.delete("alice", "a");
    expect([cache.size, cache.get("alice", "a")]).toEqual([3, undefined]);
  });
  it("never drops what is in use, however much there is of it", () => {
    const { cache } = make((key) => key.startsWith("used"));
    for (let n = 0; n < 100; n++) cache.set("alice", `used${n}`, n);
    for (let n = 0; n < 100; n++) cache.set("alice", `idle${n}`, n);
    for (let n = 0; n < 100; n++) expect(cache.get("alice", `used${n}`)).toBe(n);
    expect(cache.size).toBeLessThan(150);
  });
  it("of principals without end drops what those had that have not come for longest", () => {
    const { cache } = make();
    for (let n = 0; n < 8; n++) cache.set(`p${n}`, `k${n}`, n);
    cache.set("p0", "k0", 0);
    cache.set("p8", "k8", 8);
    expect([cache.size, cache.get("p0", "k0"), cache.get("p1", "k1")]).toEqual([8, 0, undefined]);
  });
});
