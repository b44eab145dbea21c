import type { Mutant } from "../mutant.ts";

const of = (file: string, title: string) => ({ file: `packages/actors/src/${file}`, title });

/** What is told to whom, and how much of others' texts is kept. */
export const TEXT_MUTANTS: readonly Mutant[] = [
  {
    name: "foreign-text-told",
    breaks: "the text of an error that something else is behind reaches the client",
    promises: ["P11"],
    file: "protocol/disclosure.ts",
    find: "return cause === undefined ? null :",
    replace: "return cause !== code ? null :",
  },
  {
    name: "data-told-whole",
    breaks: "whatever an error has among its data reaches the client",
    promises: ["P11"],
    file: "protocol/disclosure.ts",
    find: 'TOLD.has(name) || typeof value === "number" || typeof value === "boolean"',
    replace: "value !== undefined",
    test: of("protocol/disclosure.test.ts", "tells of its data what is on the list, and numbers"),
  },
  {
    name: "failure-text-uncut",
    breaks: "the text of a failure is kept at any length",
    promises: ["P11"],
    file: "protocol/cut-texts.ts",
    find: "const message = cutToBytes(failure.message, textBytesMax);",
    replace: "const { message } = failure;",
    test: of(
      "subscription/failure-texts.test.ts",
      "are counted: at 4 MiB further ones are cut short, and whole again once others have gone",
    ),
  },
  {
    name: "failure-texts-uncounted",
    breaks: "a subscription keeps the texts of any number of failures whole",
    promises: ["P11"],
    file: "subscription/failure-texts.ts",
    find: "const fits = this.#bytes + failureBytes(whole) <= FAILURES_BYTES_MAX;",
    replace: "const fits = true;",
    test: of(
      "subscription/failure-texts.test.ts",
      "are counted: at 4 MiB further ones are cut short, and whole again once others have gone",
    ),
  },
  {
    name: "page-counts-bodies-only",
    breaks: "a page of what is set aside does not count the texts of failures, and is too large for a frame",
    promises: ["P11"],
    file: "broker/page.ts",
    find: 'if (!("error" in entry)) return bytes;',
    replace: "return bytes;",
    test: of(
      "broker/page.test.ts",
      "fits into a frame in any codec, whatever its texts are, and holds as much as may be",
    ),
  },
  {
    name: "control-characters-shown",
    breaks: "what a client quotes in a log or an error may write to a terminal",
    promises: ["P11"],
    file: "message/text.ts",
    find: "(UNSHOWN.test(text) ? text.replace(EACH_UNSHOWN, escaped) : text)",
    replace: "text",
    test: of(
      "broker/texts.test.ts",
      "what clients are called, and what they ask for, forges no line of the log and no text of an error",
    ),
  },
];
