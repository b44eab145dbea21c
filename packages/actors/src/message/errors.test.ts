import { describe, expect, it } from "vitest";
import { asMessagingError, fromWireError, MessagingError, optionInvalid } from "./errors.ts";

it("anything that is thrown has a text, also what has none", () => {
  const hostile = {
    get message(): never {
      throw new Error("looked at");
    },
    toString(): never {
      throw new Error("asked for its text");
    },
  };
  const thrown = [new TypeError("a"), "b", 3, undefined, Object.create(null), hostile];
  const none = "something that has no text";
  expect(thrown.map((each) => asMessagingError(each).message)).toEqual(["a", "b", "3", "undefined", none, none]);
});
it("a wrong option's message shows what was found, also what JSON has no word for", () => {
  const found = [Number.POSITIVE_INFINITY, Number.NaN, 1.5, null, undefined, "5s", [1], 5n];
  expect(found.map((each) => optionInvalid("ageMs", "finite", each).message.split("found ")[1])).toEqual([
    "Infinity",
    "NaN",
    "1.5",
    "null",
    "undefined",
    '"5s"',
    "[1]",
    "5",
  ]);
});
describe("an error on the wire", () => {
  it("keeps its code, message and data", () => {
    const error = new MessagingError("QUEUE_FULL", "no room", { data: { queue: 3 } });
    const { code, message, data } = error;
    expect(fromWireError({ code, message, data })).toMatchObject({
      code: "QUEUE_FULL",
      message: "no room",
      data: { queue: 3 },
    });
  });
});
