import type { Heartbeat } from "../protocol/frames.ts";
import { renewLeases } from "./renew-leases.ts";
import type { SessionMembers } from "./session-members.ts";
import type { SessionScope } from "./session-scope.ts";

/**
 * Rule 7: renewals are answered when the ownership of the data was looked at within this share of the shortest lease:
 * another broker may have taken the data over.
 */
const OWNER_SEEN_SHARE = 1 / 4;

/**
 * The heartbeats of one link. Each lists all that the client holds, so the newest stands for those before it, as long
 * as nothing came in between.
 */
export class Heartbeats {
  readonly #session: SessionScope;
  readonly #members: SessionMembers;
  /** The last frame that came, while that is a heartbeat. */
  #newest: Heartbeat | null = null;
  /** The newest one that waits until the ownership of the data has been looked at. */
  #waiting: Heartbeat | null = null;

  constructor(session: SessionScope, members: SessionMembers) {
    this.#session = session;
    this.#members = members;
  }
  take(frame: Heartbeat): void {
    this.#newest = frame;
  }
  /** Another frame comes, or none for now: what was taken counts. */
  judge(): void {
    const beat = this.#newest;
    if (beat === null) return;
    this.#newest = null;
    this.#session.life.contain("heartbeat", () => this.#judge(beat));
  }
  #judge(frame: Heartbeat): void {
    const { scope, client, life } = this.#session;
    let ttlMs = scope.limits.leaseTtlMsMax;
    for (const { holder } of client.held()) ttlMs = Math.min(ttlMs, holder?.ttlMs ?? ttlMs);
    const verified = scope.ownership.verified(ttlMs * OWNER_SEEN_SHARE);
    if (verified === null) {
      this.#renew(frame);
      return;
    }
    const waits = this.#waiting !== null;
    this.#waiting = frame;
    if (waits) return;
    const newest = (): void => {
      const beat = this.#waiting;
      this.#waiting = null;
      if (beat !== null) life.contain("heartbeat", () => this.#renew(beat));
    };
    verified.then(newest, () => {
      this.#waiting = null; // the broker is past and closes, or its store did not answer
    });
  }
  #renew(frame: Heartbeat): void {
    const { sender, client, link } = this.#session;
    if (sender.isOpen) sender.send(renewLeases(frame, this.#members, client, link));
  }
}
