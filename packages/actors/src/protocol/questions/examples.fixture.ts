// An example of every question, and the rights of which whoever asks it needs one: what tests of all of them go
// through.
import type { Right } from "../../contracts/auth.ts";
import { offset } from "../../message/brands.ts";
import { packMessage } from "../../message/packed.ts";
import { slotOf } from "../../message/route.ts";
import { topicSpec } from "../../message/topic.ts";
import type { QuestionKind, QuestionOf } from "../questions.ts";

/** The topic, and the group in it, that the examples are about. */
export const OF = { topic: "t", group: "g" } as const;
/** What is there to ask about: a key that is set aside, and the entry that it is listed as. */
export interface AskedAbout {
  readonly key: string;
  readonly entry: string;
}
interface Example<Kind extends QuestionKind> {
  readonly asked: (about: AskedAbout) => QuestionOf<Kind>;
  /** Any of them suffices. */
  readonly any: readonly Right[];
}

const because = { ...OF, reason: "because" };
const observeTopic: Right = { verb: "observe", topic: "t", group: null };
const observeGroup: Right = { verb: "observe", ...OF };
const read: Right = { verb: "read", ...OF };
const manage: Right = { verb: "manage", topic: "t" };
/** To wait until a group has caught up, whoever consumes in it. */
const waitInGroup: Right = { verb: "consume", ...OF, consumer: null };

/** One that is added does not compile until it is here. */
export const EXAMPLES: { readonly [Kind in QuestionKind]: Example<Kind> } = {
  describe: { asked: () => ({ kind: "describe" }), any: [{ verb: "observe", topic: null, group: null }, observeTopic] },
  "describe.topic": { asked: () => ({ kind: "describe.topic", topic: "t" }), any: [observeTopic] },
  "describe.group": { asked: () => ({ kind: "describe.group", ...OF }), any: [observeGroup] },
  explain: { asked: ({ key }) => ({ kind: "explain", topic: "t", key }), any: [observeTopic] },
  ends: { asked: () => ({ kind: "ends", ...OF }), any: [observeTopic, waitInGroup] },
  reached: {
    asked: () => ({ kind: "reached", ...OF, ends: [{ queue: 0, end: offset(0) }] }),
    any: [observeGroup, waitInGroup],
  },
  account: { asked: () => ({ kind: "account", ...OF }), any: [observeGroup] },
  declare: {
    asked: () => ({ kind: "declare", spec: topicSpec({ name: "declared" }) }),
    any: [{ verb: "manage", topic: "declared" }],
  },
  "name.release": { asked: () => ({ kind: "name.release", ...because, name: "m" }), any: [manage] },
  "aside.list": {
    asked: () => ({ kind: "aside.list", ...OF, after: null, limit: 10 }),
    any: [observeGroup, read, manage],
  },
  "aside.peek": {
    asked: ({ key }) => ({ kind: "aside.peek", ...OF, key, limit: 10 }),
    any: [observeGroup, read, manage],
  },
  "aside.retry": { asked: ({ entry }) => ({ kind: "aside.retry", ...because, entry }), any: [manage] },
  "aside.skip": { asked: ({ entry }) => ({ kind: "aside.skip", ...because, entry }), any: [manage] },
  "aside.replace": {
    asked: ({ key, entry }) => ({ kind: "aside.replace", ...because, entry, message: replacementOf(key) }),
    any: [manage],
  },
  "aside.redrive": { asked: ({ key }) => ({ kind: "aside.redrive", ...because, key }), any: [manage] },
  "aside.discard": { asked: ({ key }) => ({ kind: "aside.discard", ...because, key }), any: [manage] },
};
export const KINDS = Object.keys(EXAMPLES) as QuestionKind[];

const replacementOf = (key: string): Uint8Array =>
  packMessage({
    key,
    id: null,
    headers: null,
    dueMs: null,
    encoding: "json",
    body: new TextEncoder().encode("1"),
    slot: slotOf(key),
  });
