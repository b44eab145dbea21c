// What travels on a link: every frame there is. A new one is its definition in `frames/`, and a line in a list here.
import { type AnswerOf, answer, ask } from "./frames/asking.ts";
import type { FrameDefinition } from "./frames/definition.ts";
import {
  asideDone,
  asidePut,
  credit,
  deliver,
  redeliver,
  settle,
  settled,
  settleRefused,
} from "./frames/deliveries.ts";
import { goodbye, hello, limited, refused, welcome } from "./frames/handshake.ts";
import {
  batchAppend,
  batchAppended,
  batchRefused,
  laneClose,
  laneKept,
  laneOpen,
  laneOpened,
  laneRewind,
} from "./frames/lanes.ts";
import {
  heartbeat,
  heartbeatAnswered,
  leaseAcquire,
  leaseEnded,
  leaseGranted,
  leaseOffered,
  leaseRaise,
  leaseRelease,
  leaseReleased,
  leaseRevoke,
} from "./frames/leases.ts";
import { memberEnded, memberJoin, memberJoined, memberLeave } from "./frames/members.ts";
import { topicFind, topicFound } from "./frames/topics.ts";

export type { FailureInfo, LeaseKey, OffsetRange, RedrivenId, Settlement } from "./field-checks.ts";
export type * from "./frames/asking.ts";
export type * from "./frames/deliveries.ts";
export { LOSSES_MAX } from "./frames/deliveries.ts";
export type * from "./frames/handshake.ts";
export type * from "./frames/lanes.ts";
export type * from "./frames/leases.ts";
export type * from "./frames/members.ts";
export type * from "./frames/topics.ts";

/**
 * A link carries *packets*: some frames, encoded together, in order. Of each frame it is said who sends it (C:
 * client, B: broker), when, and what answers it. Every `request` of a client is answered exactly once on its link, by
 * the frame named or by `refused`. Numbers chosen by the client (`lane`, `member`, `request`, `settle`) mean
 * something on this link only. Durations are relative; no frame carries a clock.
 */
const OF_CLIENTS = [
  hello,
  goodbye,
  topicFind,
  laneOpen,
  laneClose,
  batchAppend,
  memberJoin,
  memberLeave,
  heartbeat,
  leaseAcquire,
  leaseRaise,
  leaseRelease,
  credit,
  settle,
  asidePut,
  ask,
] as const;
const OF_BROKERS = [
  welcome,
  goodbye,
  refused,
  limited,
  topicFound,
  laneOpened,
  batchAppended,
  laneKept,
  laneRewind,
  batchRefused,
  memberJoined,
  memberEnded,
  heartbeatAnswered,
  leaseOffered,
  leaseGranted,
  leaseRevoke,
  leaseReleased,
  leaseEnded,
  deliver,
  redeliver,
  settled,
  settleRefused,
  asideDone,
  answer,
] as const;

type Definition = (typeof OF_CLIENTS)[number] | (typeof OF_BROKERS)[number];
type FrameIn<D> = D extends FrameDefinition<infer F> ? F : never;
export type ClientFrame = FrameIn<(typeof OF_CLIENTS)[number]>;
/** As brokers send them: an answer with what it answers. */
export type BrokerFrame = Exclude<FrameIn<(typeof OF_BROKERS)[number]>, { readonly type: "answer" }> | AnswerOf;
export type Frame = ClientFrame | BrokerFrame;
/** As they are read: of an answer it is not known yet what it answers. */
export type ReadFrame = FrameIn<Definition>;
export type FrameType = Definition["type"];

/** What is said of each frame, by its type. */
export const FRAMES = Object.fromEntries(
  [...OF_CLIENTS, ...OF_BROKERS].map((definition) => [definition.type, definition]),
) as unknown as { readonly [D in Definition as D["type"]]: D };
export const FRAME_TYPES = Object.keys(FRAMES) as readonly FrameType[];
/** Those that no client sends. */
export const ONLY_OF_BROKERS: ReadonlySet<string> = new Set(
  FRAME_TYPES.filter((type) => !OF_CLIENTS.some((own) => own.type === type)),
);
export const definitionOf = (type: FrameType): FrameDefinition<Frame> =>
  FRAMES[type] as unknown as FrameDefinition<Frame>;
/** The fields of each, and the version of those that came later. */
export const frameFields = Object.fromEntries(FRAME_TYPES.map((type) => [type, FRAMES[type].fields])) as {
  readonly [Type in FrameType]: object;
};
