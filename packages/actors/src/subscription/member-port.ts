import type { Owner } from "../log/owner.ts";
import type { MessagingError } from "../message/errors.ts";
import type { PlainFrame, Refusal } from "../protocol/disclosure.ts";
import type { MemberJoin } from "../protocol/frames.ts";

/** One member of a group on one link, as subscriptions see it. */
export interface MemberPort {
  readonly instance: string;
  /** Whose it is. */
  readonly principal: Owner;
  readonly name: string;
  /** Its number on its link. */
  readonly member: number;
  readonly join: MemberJoin;
  /** False once its link has ended: nothing reaches it any more. */
  readonly open: boolean;
  /** Nothing has been heard on its link for more than two heartbeats: it may be frozen or cut off. */
  readonly silent: boolean;
  /** Its link holds more than it should: deliver later (`onDrained` tells when). */
  readonly congested: boolean;
  onDrained(resume: () => void): void;
  /** The link it is on: two ports of one link have the same. */
  readonly link: object;
  send(frame: PlainFrame): void;
  refuse(refusal: Refusal): void;
  /** Something of ours threw for a frame of this member, which has no answer now: its link ends. */
  fault(error: unknown, doing: string): void;
  /**
   * More waits than may of what members like this one have sent: its link ends with this error, and what it had sent is
   * told again on the next one.
   */
  overloaded(error: MessagingError): void;
  /** The number of the next grant on its link. */
  nextGrant(): number;
}
