// A protocol version never changes: what links of an older one carry is kept here, field by field, as it was.
import { describe, expect, it } from "vitest";
import {
  amount,
  anyObject,
  anything,
  type Check,
  finite,
  type NamedCheck,
  nothing,
  tagged,
  tagRecords,
  yesOrNo,
} from "./checks.ts";
import { errorCode } from "./field-checks.ts";
import { allocation } from "./frames/members.ts";
import { frameFields } from "./frames.ts";
import { QUESTIONS } from "./questions.ts";
import { PROTOCOL_VERSIONS } from "./version.ts";
import { checkAt } from "./versioned.ts";

const NAMES = new Map<Check<unknown>, string>([
  [allocation, "an allocation"], // there may be more of them in any version
  [amount, "0 or more"],
  [anyObject, "any object"],
  [anything, "anything"],
  [errorCode, "a code"],
  [finite, "a number"],
  [nothing, "null"],
  [yesOrNo, "yes or no"],
]);
/** A check in words. */
function inWords(check: Check<unknown>): string {
  const name = NAMES.get(check);
  if (name !== undefined) return name;
  const { shape } = check;
  switch (shape?.of) {
    case "whole":
      return `${shape.min} to ${shape.max === Number.MAX_SAFE_INTEGER ? "2^53 - 1" : shape.max}`;
    case "string":
      return `text of ${shape.max}${shape.inBytes ? " bytes" : ""}`;
    case "choice":
      return shape.values.join(" | ");
    case "packed":
      return shape.isOne ? "a message" : "messages";
    case "nullable":
      return `${inWords(shape.inner)} | null`;
    case "optional":
    case "since":
      return inWords(shape.inner);
    case "list":
      return `${shape.max} × (${inWords(shape.item)})`;
    case "tuple":
      return `[${shape.items.map(inWords).join(", ")}]`;
    case "record":
      return fieldsInWords(shape.fields);
    case "variants":
      return "one of its kinds";
    case "cases":
      return shape.cases.map(([, own]) => inWords(own)).join(" | ");
    default:
      throw new Error("no words for this check: name it in `NAMES`");
  }
}
const mayMiss = ({ shape }: Check<unknown>): boolean =>
  shape?.of === "optional" || (shape?.of === "since" && mayMiss(shape.inner));
const fieldsInWords = (fields: readonly NamedCheck[]): string =>
  `{ ${fields.map(([name, check]) => `${name}${mayMiss(check) ? "?" : ""}: ${inWords(check)}`).join(", ")} }`;
const sorted = (entries: readonly (readonly [string, string])[]): Record<string, string> =>
  Object.fromEntries(entries.toSorted(([a], [b]) => (a < b ? -1 : 1)));
/** What there is in this version of some frames or questions. */
function kindsIn(fields: Readonly<Record<string, unknown>>, tag: string, version: number): Record<string, string> {
  const { shape } = checkAt(tagged(tag, tagRecords(fields, tag)), version);
  if (shape?.of !== "variants") throw new Error("expected kinds");
  return sorted([...shape.variants].map(([kind, { check }]) => [kind, inWords(check)]));
}

describe.each(PROTOCOL_VERSIONS.slice(0, -1))("protocol version %i", (version) => {
  it("has the frames, questions and answers that it had when it was released", async () => {
    const questions = Object.fromEntries(Object.values(QUESTIONS).map(({ kind, fields }) => [kind, fields]));
    const asked = kindsIn(questions, "kind", version);
    const answers = Object.values(QUESTIONS).flatMap(({ kind, answer }) =>
      kind in asked ? [[kind, inWords(checkAt<unknown>(answer, version))] as const] : [],
    );
    const spoken = { frames: kindsIn(frameFields, "type", version), asked, answers: sorted(answers) };
    await expect(`${JSON.stringify(spoken, null, 2)}\n`).toMatchFileSnapshot(`./kept-version-${version}.json`);
  });
});
