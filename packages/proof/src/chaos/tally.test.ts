import type { FaultKind } from "@seriatim/rig";
import { describe, expect, it } from "vitest";
import { countStruck, emptyTally, percentile } from "./tally.ts";

const struck = (kind: FaultKind, targets = ["consumer-1#1"], detail: string | null = null) => ({
  kind,
  targets,
  detail,
  atMs: 0,
  healedAtMs: 0,
});

describe("countStruck", () => {
  it("counts a restart of everything as that many kills", () => {
    const tally = emptyTally();
    countStruck(tally, struck("restart-all", ["broker#1", "producer-1#1", "consumer-1#2"]));
    countStruck(tally, struck("kill-broker", ["broker#2"]));
    expect(tally).toMatchObject({ kills: 4, restartsOfEverything: 1 });
  });
  it("counts every way a connection was cut, and which broke off in a frame", () => {
    const tally = emptyTally();
    for (const kind of ["cut", "cut-mid-frame", "hold-then-cut", "hold"] as const) countStruck(tally, struck(kind));
    expect(tally).toMatchObject({ cuts: 3, midFrameCuts: 1, holds: 2 });
    expect(tally.byKind.cut).toBe(1);
  });
  it("adds up the calls that failed", () => {
    const tally = emptyTally();
    countStruck(tally, struck("io-error", ["broker#1"], "3"));
    countStruck(tally, struck("io-error", ["broker#1"], "4"));
    expect(tally).toMatchObject({ ioErrorEpisodes: 2, ioErrorCalls: 7 });
  });
});

describe("percentile", () => {
  it("is a value of the list", () => {
    expect([
      percentile([], 0.5),
      percentile([7], 0.5),
      percentile([3, 1, 2, 4], 0.5),
      percentile([3, 1, 2], 1),
    ]).toEqual([0, 7, 2, 3]);
  });
});
