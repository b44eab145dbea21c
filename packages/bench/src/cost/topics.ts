import { type Topic, type TopicSpec, topic, typed } from "@seriatim/actors";

const common = { schema: typed<Uint8Array>(), key: "send", encoding: "bytes", validate: "send" } as const;
const kept = { bytesMax: Number.MAX_SAFE_INTEGER } as const;
/**
 * What questions are asked about: a backlog of one key that three groups have, and one that has set some of it aside.
 */
export const JOBS = topic("jobs", { ...common, queues: 8, groups: ["audit", "billing", "search"], retention: kept });
export const HOT = "hot";
/** The group that has set messages aside: all of one key, and many of a key each. */
export const GROUP = "shipping";
export const PARKED = "parked";
/** What frames of members and lanes are about. */
export const ONE = topic("one", { ...common, queues: 1, retention: kept });
export const LOOSE = topic("loose", { ...common, queues: 1, ordered: false, retention: kept });
/** What is appended, to be held against. */
export const APPENDED = topic("appended", { ...common, queues: 8, retention: kept });

export const specOf = (of: Topic<Uint8Array, Uint8Array, "given", boolean>): TopicSpec => {
  const { name, queues, ordered, retention, groups, parkedMessagesMax, idWindowMs } = of;
  return { name, queues, ordered, retention, groups, parkedMessagesMax, idWindowMs };
};
