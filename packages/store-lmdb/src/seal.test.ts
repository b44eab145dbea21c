import { describe, expect, it } from "vitest";
import { RecentShares } from "./seal.ts";

describe("recent shares", () => {
  it("are the last ones of each name, also when there were many others in between", () => {
    const shares = new RecentShares();
    for (let round = 1; round <= 3; round++) {
      for (let n = 0; n < 9_000; n++) shares.set(`record/${n}`, round * n);
      expect([shares.get("record/0"), shares.get("record/8999")]).toEqual([0, round * 8_999]);
    }
  });

  it("forget what was written long ago, so that they stay few", () => {
    const shares = new RecentShares();
    shares.set("old", 1);
    for (let n = 0; n < 20_000; n++) shares.set(`record/${n}`, n);
    expect([shares.get("old"), shares.get("record/19999")]).toEqual([undefined, 19_999]);
  });
});
