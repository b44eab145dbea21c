import { eventLog, generatedLog } from "@seriatim/rig";
import { describe, expect, it } from "vitest";
import { failsNow, poisonIds } from "./trouble.ts";

describe("failsNow", () => {
  const share = (rate: number, attempt = 1) => {
    let failed = 0;
    for (let n = 0; n < 10_000; n++) if (failsNow({ seed: 5, rate, id: `key-${n % 100}#${n}`, attempt })) failed++;
    return failed / 10_000;
  };
  it("fails about the share that was asked for", () => {
    expect(share(0)).toBe(0);
    expect(share(0.01)).toBeCloseTo(0.01, 2);
    expect(share(0.5)).toBeCloseTo(0.5, 1);
    expect(share(1)).toBe(1);
  });
  it("decides each attempt anew, and always alike", () => {
    const at = (attempt: number) =>
      Array.from({ length: 200 }, (_, n) => failsNow({ seed: 5, rate: 0.5, id: `k#${n}`, attempt }));
    expect(at(1)).toEqual(at(1));
    expect(at(1)).not.toEqual(at(2));
  });
});

describe("poisonIds", () => {
  it("picks one message of as many keys as asked, with others behind it", () => {
    const log = generatedLog({ seed: 1, orders: 100 });
    const ids = poisonIds(log, { seed: 1, keys: 5 });
    expect(new Set(ids.map((id) => id.split("#")[0])).size).toBe(5);
    for (const id of ids) {
      const [key = "", ordinal] = id.split("#");
      expect(Number(ordinal)).toBeLessThan((log.keys.get(key) ?? 0) - 1);
    }
    expect(poisonIds(log, { seed: 1, keys: 5 })).toEqual(ids);
    expect(poisonIds(log, { seed: 1, keys: 0 })).toEqual([]);
  });
  it("takes what there is when the log is small", () => {
    const log = eventLog("tiny", [{ key: "a", atMs: 0, fields: {} }]);
    expect(poisonIds(log, { seed: 1, keys: 3 })).toEqual(["a#0"]);
  });
});
