import type { Mutant } from "../mutant.ts";

const of = (file: string, title: string) => ({ file: `packages/actors/src/${file}`, title });

/** What is sent fits. */
export const SIZE_MUTANTS: readonly Mutant[] = [
  {
    name: "packets-not-measured",
    breaks: "frames of a turn share a packet that the other side does not take, and the link is cut for it",
    promises: ["P11"],
    file: "protocol/frame-batcher.ts",
    find: "if (packet.length <= frameBytesMax) {",
    replace: "if (packet.length <= frameBytesMax || frames.length > 1) {",
    test: of(
      "protocol/frame-batcher.test.ts",
      "packets in JSON are measured, where what is in them was counted as much less",
    ),
  },
  {
    name: "answer-part-lost",
    breaks: "a part of an answer is not sent: an account lacks offsets, a description queues",
    promises: ["P9"],
    file: "protocol/answer-parts.ts",
    find: "yield* partsOf(two[0], false);",
    replace: "",
  },
  {
    name: "answer-part-twice",
    breaks: "a part of an answer is sent twice: an account has offsets twice",
    promises: ["P9"],
    file: "protocol/answer-parts.ts",
    find: "yield* partsOf(two[1], isLast);",
    replace: "yield* partsOf(two[0], false); yield* partsOf(two[1], isLast);",
    test: of(
      "protocol/answer-parts.test.ts",
      "comes in parts that fit, each an answer by itself, and is put together as it was",
    ),
  },
  {
    name: "answers-not-paced",
    breaks: "answers are handed to a link that does not take them, until it is given up",
    promises: ["P11"],
    file: "broker/session-answers.ts",
    find: "if (link.drain.congested) await this.#drained();",
    replace: "",
    test: of(
      "broker/session-answers.test.ts",
      "go part after part as the link drains, and what is small overtakes them",
    ),
  },
  {
    name: "question-asked-for-ever",
    breaks: "a question whose answer cannot be had ends one link after another",
    promises: ["P8"],
    file: "link/ask.ts",
    find: "++limitsMet > LIMITS_MET_MAX",
    replace: "++limitsMet > Number.MAX_VALUE",
    test: of(
      "client/client-limits.test.ts",
      "over which three links in a row have ended fails, and is not asked again",
    ),
  },
];
