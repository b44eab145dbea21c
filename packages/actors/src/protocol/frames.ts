import type { Allocation } from "../contracts/allocation.ts";
import type { Durability, Epoch, Offset, Sequence } from "../message/brands.ts";
import type { WireError } from "../message/errors.ts";
import type { Route } from "../message/route.ts";
import type { TopicSpec } from "../message/topic.ts";
import type { Answers, Question } from "./questions.ts";

/**
 * What travels on a link. A link carries *packets*: some frames, encoded together, in order. Each frame below says who sends it (C: client,
 * B: broker), when, and what answers it. Every `request` of a client is answered exactly once on its link, by the frame named or by `refused`.
 * Numbers chosen by the client (`lane`, `member`, `request`, `settle`) mean something on this link only. Durations are relative; no frame carries a clock.
 */

/** Half-open: `from` is in, `to` is not. */
export type OffsetRange = readonly [from: number, to: number];

/* ---------- handshake ---------- */

/** C, first frame of a link; answered by `welcome`, or by `goodbye` (`VERSION_UNSUPPORTED`, `PROTOCOL_VIOLATION`). The broker first closes every older session of the same instance. */
export interface Hello {
  readonly type: "hello";
  readonly versions: readonly number[];
  /** Random, of this client object; the same on all its links. Leases and producer epochs belong to it. */
  readonly instance: string;
  /** Grows with every link of the instance; a broker that has seen a higher one refuses. */
  readonly link: number;
  /** From the first `welcome` of the instance; `null` before that. */
  readonly ordinal: number | null;
  /** The client's name, for people. */
  readonly client: string;
}
/** B, answers `hello`: the version both speak and this broker's limits. */
export interface Welcome {
  readonly type: "welcome";
  readonly version: number;
  readonly brokerId: string;
  readonly broker: string;
  readonly frameBytesMax: number;
  readonly messageBytesMax: number;
  readonly inFlightBatchesMax: number;
  readonly heartbeatMs: number;
  readonly leaseTtlMsMax: number;
  readonly durabilityMax: Durability;
  /**
   * Place of the instance in the order in which instances came to these data, whatever broker had them: the one shown in `hello`, or a new one, above all that were given.
   * One shown that cannot have been given here counts as `null`.
   */
  readonly ordinal: number;
}
/** Both, last frame before closing the link: why. */
export interface Goodbye {
  readonly type: "goodbye";
  readonly error: WireError | null;
}
/** B, answers any `request` that was not granted. */
export interface Refused {
  readonly type: "refused";
  readonly request: number;
  readonly error: WireError;
}

/**
 * B, at most once a second, while a link sends more than it may and is read later for that: which limit (the broker's setting of that name), how many a second it allows, and how long the client should ask nothing more.
 * Nothing is lost and nothing refused; whoever goes on as before waits the longer, and so do its heartbeats. Not answered. Since version 2: older clients are read later, untold.
 */
export interface Limited {
  readonly type: "limited";
  readonly limit: string;
  readonly max: number;
  readonly retryInMs: number;
}

/* ---------- topics ---------- */

/**
 * C, before it uses a topic; answered by `topic.found` or `refused` (`FORBIDDEN`, `TOPIC_UNKNOWN`). Under which names it means to is said from version 2 on, so that whoever has a right by name may
 * look.
 */
export interface TopicFind {
  readonly type: "topic.find";
  readonly request: number;
  readonly topic: string;
  readonly producer?: string;
  readonly group?: string;
  readonly consumer?: string;
}
/** B, answers `topic.find`. */
export interface TopicFound {
  readonly type: "topic.found";
  readonly request: number;
  readonly route: Route;
  readonly spec: TopicSpec;
}

/* ---------- producing ---------- */

/**
 * C, before the first batch of a lane on this link; answered by `lane.opened` or `refused` (`WRONG_ROUTE`, `FORBIDDEN`, `NAME_IN_USE`, `PRODUCER_FENCED`, `PRODUCER_UNKNOWN`, `UNAVAILABLE`).
 * `epoch: null` takes a new producer epoch from the queue, which fences every older instance of that producer name there; where one with a higher `ordinal` has the name, it is refused with `PRODUCER_FENCED`;
 * a number shows the epoch the instance already has and keeps it.
 */
export interface LaneOpen {
  readonly type: "lane.open";
  readonly request: number;
  readonly lane: number;
  readonly topic: string;
  readonly queue: number;
  readonly producer: string;
  readonly epoch: Epoch | null;
  readonly routeVersion: number;
}
/** B, answers `lane.open`. The new epoch is synced before this is sent. */
export interface LaneOpened {
  readonly type: "lane.opened";
  readonly request: number;
  readonly lane: number;
  readonly epoch: Epoch;
  /** The sequence number that the queue will take next in this epoch: everything below has been appended (or is being made durable). */
  readonly expected: Sequence;
  /** Incarnation of the log: the broker's ownership epoch. */
  readonly logEpoch: number;
}
/** C, when a lane ends for good; not answered. */
export interface LaneClose {
  readonly type: "lane.close";
  readonly lane: number;
}
/**
 * C, messages `sequence` … `sequence + count − 1` of a lane, packed end to end. Answered, in order per lane, by `batch.appended` once the durability
 * asked for is reached, or by `batch.refused`.
 */
export interface BatchAppend {
  readonly type: "batch.append";
  readonly lane: number;
  readonly epoch: Epoch;
  readonly sequence: Sequence;
  readonly count: number;
  readonly durability: Durability;
  readonly messages: Uint8Array;
}
/**
 * B, answers `batch.append`: where its messages stand, in order. A run's offsets are consecutive; a `duplicate` run was appended by an earlier send.
 * `kept`: every sequence below it is at least flushed (what a `memory` lane still holds for resending).
 */
export interface BatchAppended {
  readonly type: "batch.appended";
  readonly lane: number;
  readonly epoch: Epoch;
  readonly sequence: Sequence;
  readonly count: number;
  readonly runs: readonly AppendedRun[];
  readonly kept: Sequence;
}
export interface AppendedRun {
  readonly count: number;
  readonly offset: Offset;
  readonly duplicate: boolean;
}
/** B, when messages of a lane that got `memory` receipts have been flushed: `kept` moves up. Not answered. */
export interface LaneKept {
  readonly type: "lane.kept";
  readonly lane: number;
  readonly epoch: Epoch;
  readonly kept: Sequence;
}
/**
 * B, when a commit with messages of a lane that got `memory` receipts has failed: the queue has read its store anew and expects this sequence next. The lane goes back to it
 * (`tailLost` when it no longer holds it). Not answered.
 */
export interface LaneRewind {
  readonly type: "lane.rewind";
  readonly lane: number;
  readonly epoch: Epoch;
  readonly expected: Sequence;
}
/**
 * B, answers `batch.append`. Nothing of the batch was appended. `OUT_OF_SEQUENCE` carries `expected`, and every batch of the lane already on its way is refused the same way:
 * the lane rewinds to `expected`. `QUEUE_FULL`, `STORE_FULL`, `UNAVAILABLE` pass: the lane waits `retryAfterMs` and rewinds to this batch. `PRODUCER_FENCED`, `PRODUCER_UNKNOWN`, `WRONG_ROUTE`, … end the lane.
 */
export interface BatchRefused {
  readonly type: "batch.refused";
  readonly lane: number;
  readonly epoch: Epoch;
  readonly sequence: Sequence;
  readonly error: WireError;
  readonly expected: Sequence | null;
  readonly retryAfterMs: number | null;
}

/* ---------- consuming: membership ---------- */

/** What belongs to the group and not to a member: persisted by the first that joins, a member with others is refused. */
export interface GroupSettings {
  readonly exhausted: "park" | "dead-letter" | "halt";
  /** Attempts before a message is exhausted; `null`: never. */
  readonly attempts: number | null;
  readonly startAt: "earliest" | "latest" | { readonly timestampMs: number };
}
/** C, to consume a topic in a group, again on every new link; answered by `member.joined` or `refused` (`GROUP_SETTINGS_DIFFER`, `NAME_IN_USE`, `FORBIDDEN`, `TOPIC_UNKNOWN`). */
export interface MemberJoin {
  readonly type: "member.join";
  readonly request: number;
  readonly member: number;
  readonly topic: string;
  readonly group: string;
  /** The member's name: holder in leases, unique among the living members of the group. */
  readonly name: string;
  readonly settings: GroupSettings;
  readonly concurrency: number;
  readonly leaseTtlMs: number;
  readonly revokeTimeoutMs: number;
  readonly allocation: Allocation;
  /** Unordered topics only: how long a delivery may stay unsettled before it is given to another, ms. */
  readonly invisibleMs: number;
  /** Unordered topics only: waits between attempts. */
  readonly retry: {
    readonly initialMs: number;
    readonly factor: number;
    readonly maxMs: number;
    readonly jitter: number;
  };
}
/** B, answers `member.join`. For an unordered topic a `lease.granted` with `request: null` and epoch 0 follows at once for every queue: there is no lease, the queue is shared. */
export interface MemberJoined {
  readonly type: "member.joined";
  readonly request: number;
  readonly member: number;
  readonly ordered: boolean;
}
/**
 * B, when a member may not stay: its right has been revoked (`FORBIDDEN`), or nobody could say whether it has it (`UNAVAILABLE`). Its leases are over, and what it says from then on changes nothing. Not answered.
 * A link of version 1 ends instead.
 */
export interface MemberEnded {
  readonly type: "member.ended";
  readonly member: number;
  readonly error: WireError;
}
/** C, when a member has released its leases and goes; not answered. */
export interface MemberLeave {
  readonly type: "member.leave";
  readonly member: number;
}

/* ---------- consuming: leases ---------- */

export interface LeaseKey {
  readonly member: number;
  readonly queue: number;
  readonly epoch: Epoch;
}
/**
 * C, every `heartbeatMs`, and at once on a new link after its joins and resumes. Lists every lease the client holds or has asked to resume here; only what is listed is renewed,
 * and a lease of this instance that is not listed, and was granted at or before grant number `grantsSeen` of this link (or on an older link), is released. Answered by `heartbeat.answered`.
 */
export interface Heartbeat {
  readonly type: "heartbeat";
  readonly beat: number;
  readonly grantsSeen: number;
  readonly leases: readonly LeaseKey[];
}
/** B, answers `heartbeat`. The holder counts a renewed lease's TTL from when it *sent* the beat. A lease in `ended` is over: stop at once. */
export interface HeartbeatAnswered {
  readonly type: "heartbeat.answered";
  readonly beat: number;
  readonly renewed: readonly (LeaseKey & { readonly ttlMs: number })[];
  readonly ended: readonly (LeaseKey & { readonly current: Epoch })[];
}
/** B, when the allocation gives a queue to a member and nobody holds it; the member answers with `lease.acquire` within 3 s or the offer passes on. */
export interface LeaseOffered {
  readonly type: "lease.offered";
  readonly member: number;
  readonly queue: number;
}
/**
 * C, takes up an offer, or after a reconnect asks for a lease it still believes in (`resume`). Answered by `lease.granted` or `refused` (`LEASE_HELD` with `{ holder, expiresInMs }`, `STALE_EPOCH`).
 * A resume keeps its epoch when that lease is live and its broker has not restarted since; otherwise it is refused with `STALE_EPOCH` and the client acquires anew when offered.
 * Before the grant the broker sends again, as the link before numbered them, the last `settled` that it may have lost: what they do not name is settled by the resume.
 */
export interface LeaseAcquire {
  readonly type: "lease.acquire";
  readonly request: number;
  readonly member: number;
  readonly queue: number;
  readonly resume: LeaseResume | null;
}
export interface LeaseResume {
  readonly epoch: Epoch;
  /** Settled, but the broker's answer never came: applied first. */
  readonly settle: Settlement;
  /** Delivered, kept and not settled (handlers running, or waiting their turn in the consumer's buffer): not delivered again. */
  readonly inHand: readonly OffsetRange[];
  readonly redrivenInHand: readonly RedrivenId[];
}
/**
 * B, answers `lease.acquire` and `lease.raise`. Epoch and holder are synced before this is sent. The holder counts `ttlMs` from when it sent the request.
 * Deliveries begin once credit has been given under this epoch; credit counts from 0 with each grant, also a resumed one.
 */
export interface LeaseGranted {
  readonly type: "lease.granted";
  readonly request: number | null;
  readonly member: number;
  readonly queue: number;
  readonly epoch: Epoch;
  readonly ttlMs: number;
  /** Number of this grant on this link, from 1. */
  readonly grant: number;
  readonly revision: number;
  /** Incarnation of the log: the broker's ownership epoch. */
  readonly logEpoch: number;
}
/**
 * C, when a hung handler was abandoned: asks for the next epoch of its own lease without a vacancy. Other messages in hand carry over. Answered by `lease.granted` (epoch + 1) or `refused` (`STALE_EPOCH`: lost).
 */
export interface LeaseRaise {
  readonly type: "lease.raise";
  readonly request: number;
  readonly member: number;
  readonly queue: number;
  readonly epoch: Epoch;
}
/** B, asks the holder to finish the attempt in hand and release within `withinMs`; renewals are refused after that. */
export interface LeaseRevoke {
  readonly type: "lease.revoke";
  readonly member: number;
  readonly queue: number;
  readonly epoch: Epoch;
  readonly withinMs: number;
}
/** C, gives a lease back with its last settles; answered by `lease.released` or `refused` (`STALE_EPOCH`). */
export interface LeaseRelease {
  readonly type: "lease.release";
  readonly request: number;
  readonly member: number;
  readonly queue: number;
  readonly epoch: Epoch;
  readonly settle: Settlement;
}
/** B, answers `lease.release` once it is committed. */
export interface LeaseReleased {
  readonly type: "lease.released";
  readonly request: number;
  readonly member: number;
  readonly queue: number;
  readonly epoch: Epoch;
  readonly revision: number;
}
/** B, tells a holder that its lease is over (expired, taken back by force, queue failed): nothing under this epoch counts any more. */
export interface LeaseEnded {
  readonly type: "lease.ended";
  readonly member: number;
  readonly queue: number;
  readonly epoch: Epoch;
  readonly reason: "expired" | "fenced" | "revoked";
}

/* ---------- consuming: messages ---------- */

/** C, how many messages and bytes in all it is ready to have been sent under this grant (those that left its hands, settled, set aside or dropped, plus its window): absolute totals that only grow, so that a lost or repeated one does no harm. Not answered. */
export interface Credit {
  readonly type: "credit";
  readonly member: number;
  readonly queue: number;
  readonly epoch: Epoch;
  readonly messages: number;
  readonly bytes: number;
}
/** B, messages in queue order, within credit (a single message larger than the byte credit left goes when nothing else is in flight). Settled by `settle` or `aside.put`. */
export interface Deliver {
  readonly type: "deliver";
  readonly member: number;
  readonly queue: number;
  readonly epoch: Epoch;
  readonly batches: readonly DeliveredBatch[];
  /** Messages that were tried before, by offset: attempts that failed, and leases that ended with the message in hand. All others: 0. */
  readonly tried: readonly TriedMessage[];
}
/** Messages with consecutive offsets, packed. */
export interface DeliveredBatch {
  readonly offset: Offset;
  readonly count: number;
  readonly appendedAtMs: number;
  readonly messages: Uint8Array;
}
export type TriedMessage = readonly [offset: number, attempts: number, losses: number];
/** At this many leases lost with it in hand a message is exhausted, whatever its attempts: it kills its process. */
export const LOSSES_MAX = 5;

/** A place in what a group has set aside: `strand` names the key's log (or the one dead letter), under another number once a message of it was put back; `offset` is the message's original offset. */
export interface RedrivenId {
  readonly strand: number;
  readonly offset: Offset;
}
/** B, set-aside messages that someone redrives, in the order of their strand; counted in credit. Settled by `settle.redriven` or put back by `aside.put`. */
export interface Redeliver {
  readonly type: "redeliver";
  readonly member: number;
  readonly queue: number;
  readonly epoch: Epoch;
  readonly entries: readonly (RedrivenId & {
    readonly appendedAtMs: number;
    readonly attempts: number;
    readonly losses: number;
    readonly message: Uint8Array;
  })[];
}

/** What a consumer reports of its messages. */
export interface Settlement {
  /** Messages whose handler ended well. Ranges, never "everything up to". */
  readonly ranges: readonly OffsetRange[];
  readonly redriven: readonly RedrivenId[];
  /** Failed attempts so far of messages that will be tried again (values, merged by max). */
  readonly tried: readonly (readonly [offset: number, attempts: number])[];
  readonly redrivenTried: readonly (RedrivenId & { readonly attempts: number })[];
}
/** C, reports; answered, in order per lease, by `settled` or `settle.refused`. For an unordered topic a `tried` message is given up by this member and comes again, to any member, after its backoff. */
export interface Settle {
  readonly type: "settle";
  readonly member: number;
  readonly queue: number;
  readonly epoch: Epoch;
  /** Number of this settle under this grant, from 0. */
  readonly settle: number;
  readonly settlement: Settlement;
}
/** B, answers `settle`: committed (flushed). */
export interface Settled {
  readonly type: "settled";
  readonly member: number;
  readonly queue: number;
  readonly epoch: Epoch;
  readonly settle: number;
  readonly revision: number;
}
/** B, answers `settle` that changed nothing: `STALE_EPOCH` (the lease is over), `PROTOCOL_VIOLATION` (never delivered). */
export interface SettleRefused {
  readonly type: "settle.refused";
  readonly member: number;
  readonly queue: number;
  readonly epoch: Epoch;
  readonly settle: number;
  readonly error: WireError;
}
/**
 * C, a message has exhausted its attempts. `park`: it and every later message of its key are set aside, in order; the consumer has dropped the key from its buffer before it sent this, drops what
 * still arrives of it until the answer, and gives the credit of all it dropped back (dropped messages count as taken off its hands). `dead-letter`: it alone. `halt`: the queue stops for the group. Answered by `aside.done` or `refused` (`STALE_EPOCH`; `LIMIT_EXCEEDED`: the set-aside limit, and the subscription halts).
 * With `redriven` the message goes back to the head of its strand, which waits again. Whose link ended before the answer asks the same on the next one, once its lease is resumed there and before it
 * gives credit: that does nothing a second time, nor undoes what a person has ordered of the message since, and is answered before anything more is delivered.
 */
export interface AsidePut {
  readonly type: "aside.put";
  readonly request: number;
  readonly member: number;
  readonly queue: number;
  readonly epoch: Epoch;
  readonly kind: "park" | "dead-letter" | "halt";
  readonly offset: Offset;
  readonly key: string | null;
  readonly redriven: RedrivenId | null;
  readonly attempts: number;
  readonly error: FailureInfo;
}
/** Why an attempt failed, as plain text: what a handler threw, as it is (`shown` is for who prints it), cut to 8 KiB in UTF-8 (name and code: 128 bytes). */
export interface FailureInfo {
  readonly name: string;
  readonly message: string;
  readonly code: string | null;
}
/**
 * B, answers `aside.put` once committed. `offsets`: every message that it set aside, delivered or not. To a repeat: what is still aside of that, and the revision in which it went; nothing when it
 * has been settled or discarded since, or when a person's order set it aside (`revision` tells of no change of the holder's then). One that was refused with `LIMIT_EXCEEDED` is refused again.
 */
export interface AsideDone {
  readonly type: "aside.done";
  readonly request: number;
  readonly member: number;
  readonly queue: number;
  readonly epoch: Epoch;
  readonly revision: number;
  readonly offsets: readonly Offset[];
}

/* ---------- questions ---------- */

/** C, anything a person or tool asks or orders; answered by `answer` or `refused`. */
export interface Ask {
  readonly type: "ask";
  readonly request: number;
  readonly question: Question;
}
/** B, answers `ask`; one that is too large for a frame comes in parts. */
export interface Answer {
  readonly type: "answer";
  readonly request: number;
  readonly answer: Answers[keyof Answers];
  /** Since version 2. More parts follow, each an answer to the same question that lists what comes next (`answer-parts.ts`). @default false */
  readonly more?: boolean;
}

export type ClientFrame =
  | Hello
  | Goodbye
  | TopicFind
  | LaneOpen
  | LaneClose
  | BatchAppend
  | MemberJoin
  | MemberLeave
  | Heartbeat
  | LeaseAcquire
  | LeaseRaise
  | LeaseRelease
  | Credit
  | Settle
  | AsidePut
  | Ask;
export type BrokerFrame =
  | Welcome
  | Goodbye
  | Refused
  | Limited
  | TopicFound
  | LaneOpened
  | BatchAppended
  | LaneKept
  | LaneRewind
  | BatchRefused
  | MemberJoined
  | MemberEnded
  | HeartbeatAnswered
  | LeaseOffered
  | LeaseGranted
  | LeaseRevoke
  | LeaseReleased
  | LeaseEnded
  | Deliver
  | Redeliver
  | Settled
  | SettleRefused
  | AsideDone
  | Answer;
export type Frame = ClientFrame | BrokerFrame;
export type FrameType = Frame["type"];
