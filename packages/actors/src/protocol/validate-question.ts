import {
  byteString,
  type Check,
  type Fields,
  list,
  nullable,
  optional,
  tagged,
  tagRecords,
  type Variant,
} from "./checks.ts";
import { anOffset, key, LIMITS, name, place, positive, queueEnd, text, topicSpec } from "./field-checks.ts";
import type { Question } from "./questions.ts";
import { type LaterFields, since } from "./versioned.ts";

const aside = { topic: name, group: name, reason: text };
const entryChange = { ...aside, entry: place };
const keyChange = { ...aside, key };
type QuestionFields<Kind extends Question["kind"]> = Fields<Variant<Question, "kind", Kind>>;
export const questionFields: {
  readonly [Kind in Question["kind"]]: QuestionFields<Kind> | LaterFields<QuestionFields<Kind>>;
} = {
  describe: {},
  "describe.topic": { topic: name },
  "describe.group": { topic: name, group: name },
  explain: { topic: name, key },
  ends: { topic: name, group: since(2, optional(name)) },
  reached: { topic: name, group: name, ends: list(LIMITS.queues, queueEnd) },
  account: { topic: name, group: name },
  declare: { spec: topicSpec },
  "aside.list": { topic: name, group: name, after: nullable(place), limit: positive },
  "aside.peek": { topic: name, group: name, key, limit: positive, from: since(2, optional(anOffset)) },
  "aside.retry": entryChange,
  "aside.skip": entryChange,
  "aside.replace": { ...entryChange, message: byteString },
  "aside.redrive": keyChange,
  "aside.discard": keyChange,
  "name.release": since(2, { topic: name, group: nullable(name), name, reason: text }),
};
/** Any question, every field looked at. */
export const question = tagged("kind", tagRecords(questionFields, "kind")) as Check<Question>;
