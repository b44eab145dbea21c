import type { BrokerFrame, Heartbeat } from "../protocol/frames.ts";
import type { GroupSubscription } from "../subscription/group-subscription.ts";
import { type BeatingLink, renewLeases } from "./renew-leases.ts";
import type { SessionHost } from "./session.ts";

/** Rule 7: renewals are answered when the ownership of the data was looked at within this share of the shortest lease: another broker may have taken the data over. */
const OWNER_SEEN_SHARE = 1 / 4;

/** Whose heartbeats these are. */
export interface BeatingSession {
  readonly isOpen: boolean;
  send(frame: BrokerFrame): void;
  /** Runs a step of the link; what it throws is a fault of it. */
  contain(doing: string, step: () => void): void;
}
/** The leases that they are about. */
export interface LeasesOf {
  readonly find: BeatingLink["find"];
  /** All that its client has here. */
  readonly held: () => Iterable<GroupSubscription>;
}

/** The heartbeats of one link. Each lists all that the client holds, so the newest stands for those before it, as long as nothing came in between. */
export class Heartbeats {
  readonly #host: Pick<SessionHost, "limits" | "ownershipVerified">;
  readonly #session: BeatingSession;
  readonly #leases: LeasesOf;
  /** The last frame that came, while that is a heartbeat. */
  #newest: Heartbeat | null = null;
  /** The newest one that waits until the ownership of the data has been looked at. */
  #waiting: Heartbeat | null = null;

  constructor(host: Pick<SessionHost, "limits" | "ownershipVerified">, session: BeatingSession, leases: LeasesOf) {
    this.#host = host;
    this.#session = session;
    this.#leases = leases;
  }
  take(frame: Heartbeat): void {
    this.#newest = frame;
  }
  /** Another frame comes, or none for now: what was taken counts. */
  judge(): void {
    const beat = this.#newest;
    if (beat === null) return;
    this.#newest = null;
    this.#session.contain("heartbeat", () => this.#judge(beat));
  }
  #judge(frame: Heartbeat): void {
    let ttlMs = this.#host.limits.leaseTtlMsMax;
    for (const { holder } of this.#leases.held()) ttlMs = Math.min(ttlMs, holder?.ttlMs ?? ttlMs);
    const verified = this.#host.ownershipVerified(ttlMs * OWNER_SEEN_SHARE);
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
      if (beat !== null) this.#session.contain("heartbeat", () => this.#renew(beat));
    };
    verified.then(newest, () => {
      this.#waiting = null; // the broker is past and closes, or its store did not answer
    });
  }
  #renew(frame: Heartbeat): void {
    const session = this.#session;
    if (!session.isOpen) return;
    const { find, held } = this.#leases;
    session.send(renewLeases({ find, held: held(), link: session }, frame));
  }
}
