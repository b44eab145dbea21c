import { describe, expect, it } from "vitest";
import { Shares } from "./shares.ts";

describe("shares", () => {
  const make = (inUse: (key: string) => boolean = () => false) => {
    const dropped: string[] = [];
    const bounds = { eachMax: 3, allMax: 8, isInUse: inUse, dropped: (key: string) => void dropped.push(key) };
    return { shares: new Shares<number>(bounds), dropped };
  };

  it("drops the oldest of the one that has too many, and nothing of anybody else's", () => {
    const { shares, dropped } = make();
    shares.set("alice", "a", 1);
    for (let n = 0; n < 1_000; n++) shares.set("mallory", `m${n}`, n);
    expect(shares.get("alice", "a")).toBe(1);
    expect([shares.size, shares.get("mallory", "m996"), shares.get("mallory", "m997")]).toEqual([4, undefined, 997]);
    expect(dropped).toHaveLength(997);
    shares.set("alice", "a", 2); // the newest again, and not a second one
    expect([shares.size, shares.get("alice", "a")]).toEqual([4, 2]);
    shares.delete("alice", "a");
    expect([shares.size, shares.get("alice", "a")]).toEqual([3, undefined]);
  });
  it("never drops what is in use, however much there is of it", () => {
    const { shares } = make((key) => key.startsWith("used"));
    for (let n = 0; n < 100; n++) shares.set("alice", `used${n}`, n);
    for (let n = 0; n < 100; n++) shares.set("alice", `idle${n}`, n);
    for (let n = 0; n < 100; n++) expect(shares.get("alice", `used${n}`)).toBe(n);
    expect(shares.size).toBeLessThan(150);
  });
  it("of principals without end drops what those had that have not come for longest", () => {
    const { shares } = make();
    for (let n = 0; n < 8; n++) shares.set(`p${n}`, `k${n}`, n);
    shares.set("p0", "k0", 0);
    shares.set("p8", "k8", 8);
    expect([shares.size, shares.get("p0", "k0"), shares.get("p1", "k1")]).toEqual([8, 0, undefined]);
  });
});
