// Consuming: which member holds which queue.
import { type Epoch, epoch } from "../../message/brands.ts";
import { amount, choice, list, nullable, record } from "../checks.ts";
import {
  anEpoch,
  type LeaseKey,
  LIMITS,
  leaseFields,
  natural,
  type OffsetRange,
  queue,
  type RedrivenId,
  ranges,
  redriven,
  type Settlement,
  settlement,
} from "../field-checks.ts";
import { HEAD_BYTES } from "../plain-bytes.ts";
import { frame } from "./definition.ts";
import { isQueue } from "./layout.ts";

/**
 * C, every `heartbeatMs`, and at once on a new link after its joins and resumes. Lists every lease the client holds
 * or has asked to resume here. Only what is listed is renewed; a lease of this instance that is not listed, and was
 * granted at or before grant number `grantsSeen` of this link (or on an older link), is released. Answered by
 * `heartbeat.answered`.
 */
export interface Heartbeat {
  readonly type: "heartbeat";
  readonly beat: number;
  readonly grantsSeen: number;
  readonly leases: readonly LeaseKey[];
}
export const heartbeat = frame<Heartbeat>({
  type: "heartbeat",
  fields: {
    beat: natural,
    grantsSeen: natural,
    leases: list(LIMITS.leases, record<LeaseKey>(leaseFields)),
  },
  bytes: ({ leases }) => HEAD_BYTES + leases.length * 24,
  layout: {
    code: 10,
    write(to, frame) {
      to.uint(frame.beat);
      to.uint(frame.grantsSeen);
      to.list(frame.leases, (lease) => {
        to.uint(lease.member);
        to.uint(lease.queue);
        to.uint(lease.epoch);
      });
    },
    read: (from) => ({
      type: "heartbeat",
      beat: from.uint(),
      grantsSeen: from.uint(),
      leases: from.list(LIMITS.leases, 3, () => ({
        member: from.uint(),
        queue: from.uint(),
        epoch: epoch(from.uint()),
      })),
    }),
    isSound: ({ leases }) => leases.every(({ queue }) => isQueue(queue)),
  },
});

type Renewed = LeaseKey & { readonly ttlMs: number };
type Ended = LeaseKey & { readonly current: Epoch };
/**
 * B, answers `heartbeat`. The holder counts a renewed lease's TTL from when it *sent* the beat. A lease in `ended` is
 * over: stop at once.
 */
export interface HeartbeatAnswered {
  readonly type: "heartbeat.answered";
  readonly beat: number;
  readonly renewed: readonly Renewed[];
  readonly ended: readonly Ended[];
}
export const heartbeatAnswered = frame<HeartbeatAnswered>({
  type: "heartbeat.answered",
  fields: {
    beat: natural,
    renewed: list(LIMITS.leases, record<Renewed>({ ...leaseFields, ttlMs: amount })),
    ended: list(LIMITS.leases, record<Ended>({ ...leaseFields, current: anEpoch })),
  },
  bytes: ({ renewed, ended }) => HEAD_BYTES + (renewed.length + ended.length) * 32,
  layout: {
    code: 11,
    write(to, frame) {
      to.uint(frame.beat);
      to.list(frame.renewed, (lease) => {
        to.uint(lease.member);
        to.uint(lease.queue);
        to.uint(lease.epoch);
        to.float(lease.ttlMs);
      });
      to.list(frame.ended, (lease) => {
        to.uint(lease.member);
        to.uint(lease.queue);
        to.uint(lease.epoch);
        to.uint(lease.current);
      });
    },
    read: (from) => ({
      type: "heartbeat.answered",
      beat: from.uint(),
      renewed: from.list(LIMITS.leases, 11, () => ({
        member: from.uint(),
        queue: from.uint(),
        epoch: epoch(from.uint()),
        ttlMs: from.float(),
      })),
      ended: from.list(LIMITS.leases, 4, () => ({
        member: from.uint(),
        queue: from.uint(),
        epoch: epoch(from.uint()),
        current: epoch(from.uint()),
      })),
    }),
  },
});

/**
 * B, when the allocation gives a queue to a member and nobody holds it; the member answers with `lease.acquire` within
 * 3 s or the offer passes on.
 */
export interface LeaseOffered {
  readonly type: "lease.offered";
  readonly member: number;
  readonly queue: number;
}
export const leaseOffered = frame<LeaseOffered>({ type: "lease.offered", fields: { member: natural, queue } });

/**
 * C, takes up an offer, or after a reconnect asks for a lease it still believes in (`resume`). Answered by
 * `lease.granted` or `refused` (`LEASE_HELD` with `{ holder, expiresInMs }`, `STALE_EPOCH`). A resume keeps its epoch
 * when that lease is live and its broker has not restarted since; otherwise it is refused with `STALE_EPOCH` and the
 * client acquires anew when offered. Before the grant the broker sends again, as the link before numbered them, the
 * last `settled` that it may have lost: what they do not name is settled by the resume.
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
  /**
   * Delivered, kept and not settled (handlers running, or waiting their turn in the consumer's buffer): not delivered
   * again.
   */
  readonly inHand: readonly OffsetRange[];
  readonly redrivenInHand: readonly RedrivenId[];
}
export const leaseAcquire = frame<LeaseAcquire>({
  type: "lease.acquire",
  fields: {
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
});

/**
 * B, answers `lease.acquire` and `lease.raise`. Epoch and holder are synced before this is sent. The holder counts
 * `ttlMs` from when it sent the request. Deliveries begin once credit has been given under this epoch; credit counts
 * from 0 with each grant, also a resumed one.
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
export const leaseGranted = frame<LeaseGranted>({
  type: "lease.granted",
  fields: {
    request: nullable(natural),
    ...leaseFields,
    ttlMs: amount,
    grant: natural,
    revision: natural,
    logEpoch: natural,
  },
});

/**
 * C, when a hung handler was abandoned: asks for the next epoch of its own lease without a vacancy. Other messages in
 * hand carry over. Answered by `lease.granted` (epoch + 1) or `refused` (`STALE_EPOCH`: lost).
 */
export interface LeaseRaise {
  readonly type: "lease.raise";
  readonly request: number;
  readonly member: number;
  readonly queue: number;
  readonly epoch: Epoch;
}
export const leaseRaise = frame<LeaseRaise>({ type: "lease.raise", fields: { request: natural, ...leaseFields } });

/** B, asks the holder to finish the attempt in hand and release within `withinMs`; renewals are refused after that. */
export interface LeaseRevoke {
  readonly type: "lease.revoke";
  readonly member: number;
  readonly queue: number;
  readonly epoch: Epoch;
  readonly withinMs: number;
}
export const leaseRevoke = frame<LeaseRevoke>({ type: "lease.revoke", fields: { ...leaseFields, withinMs: amount } });

/** C, gives a lease back with its last settles; answered by `lease.released` or `refused` (`STALE_EPOCH`). */
export interface LeaseRelease {
  readonly type: "lease.release";
  readonly request: number;
  readonly member: number;
  readonly queue: number;
  readonly epoch: Epoch;
  readonly settle: Settlement;
}
export const leaseRelease = frame<LeaseRelease>({
  type: "lease.release",
  fields: { request: natural, ...leaseFields, settle: settlement },
});

/** B, answers `lease.release` once it is committed. */
export interface LeaseReleased {
  readonly type: "lease.released";
  readonly request: number;
  readonly member: number;
  readonly queue: number;
  readonly epoch: Epoch;
  readonly revision: number;
}
export const leaseReleased = frame<LeaseReleased>({
  type: "lease.released",
  fields: { request: natural, ...leaseFields, revision: natural },
});

/**
 * B, says to a holder that its lease is over (expired, taken back by force, queue failed): nothing under this epoch
 * counts any more.
 */
export interface LeaseEnded {
  readonly type: "lease.ended";
  readonly member: number;
  readonly queue: number;
  readonly epoch: Epoch;
  readonly reason: "expired" | "fenced" | "revoked";
}
export const leaseEnded = frame<LeaseEnded>({
  type: "lease.ended",
  fields: { ...leaseFields, reason: choice("expired", "fenced", "revoked") },
});
