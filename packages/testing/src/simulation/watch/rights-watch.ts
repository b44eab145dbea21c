import type { ReadFrame } from "@seriatim/actors/internals";

/** What is revoked has ended after this long (rule 45). */
const ENDED_WITHIN_MS = 10_000;

/** What one client asked, by what its answer will name: when it left. */
type SentAt = Map<string, number>;

/**
 * rule 45 as the packets show it: nothing is done for a client that asked for it more than 10 s after its rights were
 * revoked. The time in which the broker was frozen or away does not count.
 */
export class RightsWatch {
  readonly #violate: (text: string) => void;
  readonly #now: () => number;
  /** By name of the process. */
  readonly #since = new Map<string, number>();
  readonly #asked = new WeakMap<object, SentAt>();
  #brokerAwayUntil = 0;

  constructor(violate: (text: string) => void, now: () => number) {
    this.#violate = violate;
    this.#now = now;
  }
  isRevoked(process: string): boolean {
    return this.#since.has(process);
  }
  revoke(process: string): void {
    if (!this.#since.has(process)) this.#since.set(process, this.#now());
  }
  giveBack(process: string): void {
    this.#since.delete(process);
  }
  /** The broker does not go on before. */
  brokerAway(forMs: number): void {
    this.#brokerAwayUntil = Math.max(this.#brokerAwayUntil, this.#now() + forMs);
  }
  /** A frame as it is sent. */
  see(frame: ReadFrame, to: string, client: object): void {
    const asked = this.#asked.get(client) ?? new Map<string, number>();
    this.#asked.set(client, asked);
    switch (frame.type) {
      case "batch.append":
        asked.set(`batch ${frame.lane} ${frame.epoch} ${frame.sequence}`, this.#now());
        return;
      case "settle":
        asked.set(`settle ${frame.member} ${frame.queue} ${frame.settle}`, this.#now());
        return;
      case "member.join":
      case "lease.acquire":
      case "lease.raise":
      case "lane.open":
      case "aside.put":
        asked.set(`request ${frame.request}`, this.#now());
        return;
      case "batch.appended":
        if (frame.runs.some(({ duplicate }) => !duplicate))
          this.#done(frame, asked.get(`batch ${frame.lane} ${frame.epoch} ${frame.sequence}`), to);
        return;
      case "settled":
        this.#done(frame, asked.get(`settle ${frame.member} ${frame.queue} ${frame.settle}`), to);
        return;
      case "member.joined":
      case "lease.granted":
      case "lane.opened":
      case "aside.done":
        this.#done(frame, asked.get(`request ${frame.request}`), to);
        return;
      default:
        return;
    }
  }
  #done(frame: ReadFrame, askedAt: number | undefined, to: string): void {
    const since = this.#since.get(to);
    if (since === undefined || askedAt === undefined) return;
    const endedAt = Math.max(since, this.#brokerAwayUntil) + ENDED_WITHIN_MS;
    if (askedAt > endedAt)
      this.#violate(
        `"${frame.type}" went to ${to}, which asked for it ${askedAt - since} ms after its rights were revoked`,
      );
  }
}
