import { ALLOCATIONS } from "../contracts/allocation.ts";
import type { Epoch } from "../message/brands.ts";
import {
  amount,
  byteString,
  choice,
  type Fields,
  finite,
  list,
  nullable,
  optional,
  record,
  tagRecords,
  tuple,
  type Variant,
  whole,
  yesOrNo,
} from "./checks.ts";
import {
  anEpoch,
  anOffset,
  aSequence,
  count,
  durability,
  failure,
  groupSettings,
  instance,
  key,
  LIMITS,
  leaseFields,
  name,
  natural,
  offsets,
  positive,
  queue,
  ranges,
  redriven,
  redrivenFields,
  route,
  settlement,
  topicSpec,
  wireError,
} from "./field-checks.ts";
import { FrameTables } from "./frame-tables.ts";
import type { AppendedRun, DeliveredBatch, Frame, FrameType, LeaseKey, LeaseResume, MemberJoin } from "./frames.ts";
import { answer } from "./validate-answer.ts";
import { question } from "./validate-question.ts";
import { PROTOCOL_VERSIONS } from "./version.ts";
import { type LaterFields, since } from "./versioned.ts";

type FrameFields<Type extends FrameType> = Fields<Variant<Frame, "type", Type>>;
/**
 * The fields of every frame. A field added in `frames.ts` does not compile until it is here. What came with a later protocol version says so: `since(2, …)` around the check of a field, or around all fields of
 * a frame. `hello` and `goodbye` are read before both sides know what they speak: they are the same in all versions.
 */
export const frameFields: { readonly [Type in FrameType]: FrameFields<Type> | LaterFields<FrameFields<Type>> } = {
  hello: {
    versions: list(LIMITS.versions, natural),
    instance,
    link: natural,
    client: name,
    ordinal: nullable(natural),
  },
  welcome: {
    version: natural,
    brokerId: name,
    broker: name,
    frameBytesMax: positive,
    messageBytesMax: positive,
    inFlightBatchesMax: positive,
    heartbeatMs: amount,
    leaseTtlMsMax: amount,
    durabilityMax: durability,
    ordinal: natural,
  },
  goodbye: { error: nullable(wireError) },
  refused: { request: natural, error: wireError },
  limited: since(2, { limit: name, max: positive, retryInMs: amount }),
  "topic.find": {
    request: natural,
    topic: name,
    producer: since(2, optional(name)),
    group: since(2, optional(name)),
    consumer: since(2, optional(name)),
  },
  "topic.found": { request: natural, route, spec: topicSpec },
  "lane.open": {
    request: natural,
    lane: natural,
    topic: name,
    queue,
    producer: name,
    epoch: nullable(anEpoch),
    routeVersion: natural,
  },
  "lane.opened": { request: natural, lane: natural, epoch: anEpoch, expected: aSequence, logEpoch: natural },
  "lane.close": { lane: natural },
  "batch.append": {
    lane: natural,
    epoch: anEpoch,
    sequence: aSequence,
    count: whole(1, LIMITS.batch),
    durability,
    messages: byteString,
  },
  "batch.appended": {
    lane: natural,
    epoch: anEpoch,
    sequence: aSequence,
    count,
    runs: list(LIMITS.runs, record<AppendedRun>({ count, offset: anOffset, duplicate: yesOrNo })),
    kept: aSequence,
  },
  "lane.kept": { lane: natural, epoch: anEpoch, kept: aSequence },
  "lane.rewind": { lane: natural, epoch: anEpoch, expected: aSequence },
  "batch.refused": {
    lane: natural,
    epoch: anEpoch,
    sequence: aSequence,
    error: wireError,
    expected: nullable(aSequence),
    retryAfterMs: nullable(amount),
  },
  "member.join": {
    request: natural,
    member: natural,
    topic: name,
    group: name,
    name,
    settings: groupSettings,
    concurrency: positive,
    leaseTtlMs: amount,
    revokeTimeoutMs: amount,
    allocation: choice(...ALLOCATIONS),
    invisibleMs: amount,
    retry: record<MemberJoin["retry"]>({ initialMs: amount, factor: amount, maxMs: amount, jitter: amount }),
  },
  "member.joined": { request: natural, member: natural, ordered: yesOrNo },
  "member.ended": since(2, { member: natural, error: wireError }),
  "member.leave": { member: natural },
  heartbeat: {
    beat: natural,
    grantsSeen: natural,
    leases: list(LIMITS.leases, record<LeaseKey>(leaseFields)),
  },
  "heartbeat.answered": {
    beat: natural,
    renewed: list(LIMITS.leases, record<LeaseKey & { readonly ttlMs: number }>({ ...leaseFields, ttlMs: amount })),
    ended: list(LIMITS.leases, record<LeaseKey & { readonly current: Epoch }>({ ...leaseFields, current: anEpoch })),
  },
  "lease.offered": { member: natural, queue },
  "lease.acquire": {
    request: natural,
    member: natural,
    queue,
    resume: nullable(
      record<LeaseResume>({
        epoch: anEpoch,
        settle: settlement,
        inHand: ranges,
        redrivenInHand: list(LIMITS.ranges, redriven),
      }),
    ),
  },
  "lease.granted": {
    request: nullable(natural),
    ...leaseFields,
    ttlMs: amount,
    grant: natural,
    revision: natural,
    logEpoch: natural,
  },
  "lease.raise": { request: natural, ...leaseFields },
  "lease.revoke": { ...leaseFields, withinMs: amount },
  "lease.release": { request: natural, ...leaseFields, settle: settlement },
  "lease.released": { request: natural, ...leaseFields, revision: natural },
  "lease.ended": { ...leaseFields, reason: choice("expired", "fenced", "revoked") },
  credit: { ...leaseFields, messages: natural, bytes: natural },
  deliver: {
    ...leaseFields,
    batches: list(
      LIMITS.batches,
      record<DeliveredBatch>({ offset: anOffset, count, appendedAtMs: finite, messages: byteString }),
    ),
    tried: list(LIMITS.ranges, tuple<readonly [number, number, number]>(natural, natural, natural)),
  },
  redeliver: {
    ...leaseFields,
    entries: list(
      LIMITS.batches,
      record<Variant<Frame, "type", "redeliver">["entries"][number]>({
        ...redrivenFields,
        appendedAtMs: finite,
        attempts: natural,
        losses: natural,
        message: byteString,
      }),
    ),
  },
  settle: { ...leaseFields, settle: natural, settlement },
  settled: { ...leaseFields, settle: natural, revision: natural },
  "settle.refused": { ...leaseFields, settle: natural, error: wireError },
  "aside.put": {
    request: natural,
    ...leaseFields,
    kind: choice("park", "dead-letter", "halt"),
    offset: anOffset,
    key: nullable(key),
    redriven: nullable(redriven),
    attempts: natural,
    error: failure,
  },
  "aside.done": { request: natural, ...leaseFields, revision: natural, offsets },
  ask: { request: natural, question },
  answer: { request: natural, answer, more: since(2, optional(yesOrNo)) },
};
export const FRAME_TYPES = Object.keys(frameFields) as readonly FrameType[];
export const frameTables = FrameTables.of(PROTOCOL_VERSIONS, tagRecords(frameFields, "type"));

/** The value as a frame of the newest version: every field looked at, none that does not belong there. @throws `PROTOCOL_VIOLATION` that names frame, field, what was expected and what was found */
export const validateFrame = (value: unknown): Frame => frameTables.validate(value);
