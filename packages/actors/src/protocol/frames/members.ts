// Consuming: who is a member of a group.
import { ALLOCATIONS, type Allocation } from "../../contracts/allocation.ts";
import type { WireError } from "../../message/errors.ts";
import { amount, choice, finite, hasField, nullable, oneOf, record, since, yesOrNo } from "../checks.ts";
import { name, natural, positive, wireError } from "../field-checks.ts";
import { frame } from "./definition.ts";

/** What belongs to the group and not to a member: kept from the first that joins, a member with others is refused. */
export interface GroupSettings {
  readonly exhausted: "park" | "dead-letter" | "halt";
  /** Attempts before a message is exhausted; `null`: never. */
  readonly attempts: number | null;
  readonly startAt: "earliest" | "latest" | { readonly timestampMs: number };
}
const groupSettings = record<GroupSettings>({
  exhausted: choice("park", "dead-letter", "halt"),
  attempts: nullable(positive),
  startAt: oneOf<GroupSettings["startAt"]>(
    '"earliest", "latest" or { timestampMs }',
    [(value) => typeof value === "string", choice("earliest", "latest")],
    [hasField("timestampMs"), record<{ readonly timestampMs: number }>({ timestampMs: finite })],
  ),
});

/** An older broker ends the link of whoever joins with one that it does not know. */
export const allocation = choice(...ALLOCATIONS);

/**
 * C, to consume a topic in a group, again on every new link; answered by `member.joined` or `refused`
 * (`GROUP_SETTINGS_DIFFER`, `NAME_IN_USE`, `FORBIDDEN`, `TOPIC_UNKNOWN`).
 */
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
export const memberJoin = frame<MemberJoin>({
  type: "member.join",
  fields: {
    request: natural,
    member: natural,
    topic: name,
    group: name,
    name,
    settings: groupSettings,
    concurrency: positive,
    leaseTtlMs: amount,
    revokeTimeoutMs: amount,
    allocation,
    invisibleMs: amount,
    retry: record<MemberJoin["retry"]>({ initialMs: amount, factor: amount, maxMs: amount, jitter: amount }),
  },
});

/**
 * B, answers `member.join`. For an unordered topic a `lease.granted` with `request: null` and epoch 0 follows at once
 * for every queue: there is no lease, the queue is shared.
 */
export interface MemberJoined {
  readonly type: "member.joined";
  readonly request: number;
  readonly member: number;
  readonly ordered: boolean;
}
export const memberJoined = frame<MemberJoined>({
  type: "member.joined",
  fields: { request: natural, member: natural, ordered: yesOrNo },
});

/**
 * B, when a member may not stay: its right has been revoked (`FORBIDDEN`), or nobody could say whether it has it
 * (`UNAVAILABLE`). Its leases are over, and what it says from then on changes nothing. Not answered. A link of
 * version 1 ends instead.
 */
export interface MemberEnded {
  readonly type: "member.ended";
  readonly member: number;
  readonly error: WireError;
}
export const memberEnded = frame<MemberEnded>({
  type: "member.ended",
  fields: since(2, { member: natural, error: wireError }),
});

/** C, when a member has released its leases and goes; not answered. */
export interface MemberLeave {
  readonly type: "member.leave";
  readonly member: number;
}
export const memberLeave = frame<MemberLeave>({ type: "member.leave", fields: { member: natural } });
