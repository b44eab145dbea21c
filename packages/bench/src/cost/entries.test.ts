import { describe, expect, it } from "vitest";
import { FRAME_TYPES } from "../../../actors/src/protocol/frames.ts";
import { QUESTIONS } from "../../../actors/src/protocol/questions.ts";
import { entries, frameEntries, questionEntries } from "./entries.ts";

describe("the entries that have a price", () => {
  it("are all frames but `ask`, and all questions, of the protocol's tables", () => {
    expect(Object.keys(frameEntries).toSorted()).toEqual(FRAME_TYPES.filter((type) => type !== "ask").toSorted());
    expect(Object.keys(questionEntries).toSorted()).toEqual(Object.keys(QUESTIONS).toSorted());
  });
  it("have names of their own", () => {
    const clients = Object.values(frameEntries).filter((entry) => entry !== null);
    expect(entries.size).toBeGreaterThanOrEqual(clients.length + Object.keys(questionEntries).length);
  });
});
