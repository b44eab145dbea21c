import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { installedVersion, oldestOf, peerRanges, publishedPackages } from "./peers.ts";

const ROOT = fileURLToPath(new URL("../../../../", import.meta.url));
const RANGES = peerRanges(ROOT);
const NAMES = Object.keys(RANGES);

describe("what users have too", () => {
  it("is a peer of each package that imports it, in one range, and no dependency", () => {
    for (const [folder, { name, dependencies = {}, peerDependencies = {} }] of publishedPackages(ROOT)) {
      const sources = readdirSync(join(folder, "src"), { recursive: true, encoding: "utf8" }).filter(
        (file) => file.endsWith(".ts") && !/\.(test|fixture|bench)\.ts$/.test(file),
      );
      const text = sources.map((file) => readFileSync(join(folder, "src", file), "utf8")).join("\n");
      const imported = NAMES.filter((peer) => new RegExp(`from "${peer}"`).test(text));
      expect(peerDependencies, name).toEqual(Object.fromEntries(imported.map((peer) => [peer, RANGES[peer]])));
      expect(
        Object.keys(dependencies).filter((one) => NAMES.includes(one)),
        name,
      ).toEqual([]);
    }
  });
  it("is installed here in the newest version that was tried; XState's range ends there", () => {
    expect(NAMES.toSorted()).toEqual(["inversify", "rxjs", "xstate"]);
    for (const [name, range] of Object.entries(RANGES)) {
      const newest = installedVersion(ROOT, name);
      const expected = name === "xstate" ? `>=${oldestOf(range)} <=${newest}` : `^${oldestOf(range)}`;
      expect(range, name).toBe(expected);
      expect(Number.parseInt(newest, 10), name).toBe(Number.parseInt(oldestOf(range), 10));
    }
  });
});
