import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { AnswerParts, halves, inParts } from "./answer-parts.ts";
import { answers } from "./frames.fixture.ts";
import type { Answer } from "./frames.ts";
import { binaryCodec } from "./index.ts";
import { plainBytes } from "./plain-bytes.ts";
import type { Answers, AnyAnswer } from "./questions.ts";

const KINDS = Object.keys(answers) as (keyof Answers)[];
/** Where items are told apart by a name, no two have the same. */
const NAMED: Readonly<Record<string, string>> = { topics: "topic", groups: "group" };
function named(value: unknown, list = ""): unknown {
  if (Array.isArray(value))
    return value.map((item, at) => {
      const one = named(item) as Record<string, unknown>;
      if (NAMED[list] !== undefined) return { ...one, [NAMED[list]]: `${at}` };
      return typeof one === "object" && one !== null && "cursor" in one ? { ...one, queue: at } : one;
    });
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, named(item, name)]));
}
const joined = (kind: keyof Answers, parts: readonly (readonly [AnyAnswer, boolean])[]): AnyAnswer | undefined => {
  const whole = new AnswerParts(kind, binaryCodec);
  const got = parts.map(([answer, isLast]) =>
    whole.add({ type: "answer", request: 1, answer, ...(isLast ? {} : { more: true }) } satisfies Answer),
  );
  expect(got.slice(0, -1).every((one) => one === null)).toBe(true);
  return got.at(-1)?.answer;
};

describe.each(KINDS)("an answer to %s", (kind) => {
  const arbitrary = (answers[kind] as fc.Arbitrary<AnyAnswer>).map((answer) => named(answer) as AnyAnswer);
  it("comes in parts that fit, each an answer by itself, and is put together as it was", () => {
    fc.assert(
      fc.property(arbitrary, fc.integer({ min: 1, max: 3_000 }), (answer, bytesMax) => {
        const fits = (part: AnyAnswer, isLast: boolean) =>
          plainBytes(part) <= bytesMax ? ([part, isLast] as const) : null;
        const parts = [...inParts(kind, answer, fits, (part, isLast) => [part, isLast] as const)];
        expect(parts.map(([, isLast]) => isLast)).toEqual(parts.map((_, at) => at === parts.length - 1));
        for (const [part] of parts) {
          binaryCodec.answerTo(kind, part);
          if (plainBytes(part) > bytesMax) expect(halves(kind, part)).toBeNull();
        }
        expect(joined(kind, parts)).toStrictEqual(answer);
      }),
      { numRuns: 300 },
    );
  });
});
it("a part of an answer to something else is a broken protocol", () => {
  const parts = new AnswerParts("ends", binaryCodec);
  expect(() => parts.add({ type: "answer", request: 1, answer: null, more: true })).toThrow("ends");
});
it("an account's lists are divided where one queue's are too large for a part", () => {
  const offsets = Array.from({ length: 10_000 }, (_, at) => at);
  const classes = { settled: 0, filtered: 0, skipped: 0, expired: 0, backlog: 0 };
  const at = { queue: 3, start: 0, end: 20_001, cursor: 20_001, halted: false, revision: 7, logEpoch: 1 };
  const lists = { settledRanges: [], deadLettered: [1], parked: offsets, discarded: offsets };
  const answer = [{ ...at, ...classes, ...lists }] as unknown as Answers["account"];
  const fits = (part: AnyAnswer) => (plainBytes(part, 1_000) <= 1_000 ? part : null);
  const parts = [...inParts("account", answer, fits, (part) => part)];
  expect(parts.length).toBeGreaterThan(20);
  const whole = joined(
    "account",
    parts.map((part, at) => [part, at === parts.length - 1]),
  );
  expect(whole).toStrictEqual(answer);
});
