import { describe, expect, it } from "vitest";
import { OutsideWorld, type WriteQuestion, WriteRelay } from "./outside-world.ts";

const write = (ordinal: number, fence: number, row = "a") => ({ row, ordinal, fence });

describe("OutsideWorld", () => {
  it("applies a row's events once, in order", () => {
    const world = new OutsideWorld();
    const outcomes = [write(0, 1), write(1, 1), write(1, 2), write(2, 2)].map((each) => world.apply(each));
    expect(outcomes).toEqual(["applied", "applied", "repeated", "applied"]);
    expect(world.gaps).toEqual([]);
  });
  it("refuses the write of a past holder, keeps the row as it is, and tells rows apart", () => {
    const world = new OutsideWorld();
    world.apply(write(0, 5));
    world.apply(write(0, 6));
    expect(world.apply(write(1, 5))).toBe("refused");
    expect(world.apply(write(1, 6))).toBe("applied");
    expect(world.apply(write(0, 4, "b"))).toBe("applied");
    expect(world.counts).toEqual({ applied: 3, repeated: 1, gaps: 0, refused: 1 });
  });
  it("notes what was left out, and counts rows that saw all their events", () => {
    const world = new OutsideWorld();
    world.apply(write(0, 1));
    expect(world.apply(write(1, 1, "b"))).toBe("gap");
    expect(world.gaps).toEqual(["number 1 of b took effect, number 0 had not"]);
    expect(world.counts.gaps).toBe(1);
    expect(world.complete(new Map([["a", 1], ["b", 3], ["c", 1]]))).toBe(1); // biome-ignore format: short
  });
});

describe("WriteRelay", () => {
  it("asks what one turn brings at once, and hands answers to who asked", async () => {
    const questions: WriteQuestion[] = [];
    const relay = new WriteRelay((question) => questions.push(question));
    const both = Promise.all([relay.ask(write(0, 1)), relay.ask(write(1, 1))]);
    await new Promise((resolve) => setImmediate(resolve));
    expect(questions).toEqual([{ type: "write", writes: [write(0, 1), write(1, 1)] }]);
    relay.answered({ type: "written", outcomes: ["applied", "refused"] });
    expect(await both).toEqual(["applied", "refused"]);
  });
});
