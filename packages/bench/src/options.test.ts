import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { optionsOf, program } from "./options.ts";
import { select } from "./selection.ts";

describe("options", () => {
  beforeEach(() => {
    vi.spyOn(process.stderr, "write").mockReturnValue(true);
    program.exitOverride();
  });
  afterEach(() => {
    for (const option of program.options) program.setOptionValue(option.attributeName(), option.defaultValue);
  });
  it("has 5 rounds side by side, 9 against a commit, and as many as are asked for", () => {
    expect(optionsOf([])).toMatchObject({ rounds: 5, within: 5, messages: 100_000 });
    expect(optionsOf(["--against", "HEAD"])).toMatchObject({ against: "HEAD", rounds: 9, within: 5 });
    expect(optionsOf(["--against", "HEAD", "--rounds", "25", "--within", "2.5"])).toMatchObject({
      rounds: 25,
      within: 2.5,
    });
  });
  it("refuses what has no meaning, and says what goes with what", () => {
    for (const rounds of ["0", "1001", "1.5"])
      expect(() => optionsOf(["--rounds", rounds])).toThrow(/whole number from 1 to 1000/);
    expect(() => optionsOf(["--against", "HEAD", "--within", "0"])).toThrow(/above 0 and below 100/);
    expect(() => optionsOf(["--against", "HEAD", "--charts"])).toThrow(/leave out it or --against/);
  });
  it("refuses --peers without --against", () => {
    expect(() => optionsOf(["--peers"])).toThrow(/goes with --against/);
  });
});

describe("select", () => {
  const base = { ...optionsOf([]), scenario: "all" };
  it("takes only our rows against a commit, without those that are about one code", () => {
    const { chosen } = select({ ...base, against: "HEAD" });
    expect(chosen.length).toBeGreaterThan(10);
    expect(chosen.filter(({ ours, way }) => !ours || way === "resources" || way === "cost")).toEqual([]);
  });
  it("takes rows of peers as well when asked, by their names", () => {
    const { chosen } = select({
      ...base,
      against: "HEAD",
      peers: true,
      only: "at 5,000/s: ws + lmdb; 5,000/s: Redis Streams, AOF always",
    });
    expect(chosen.map(({ ours }) => ours)).toEqual([true, false]);
  });
});
