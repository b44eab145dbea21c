/**
 * What a client has in hand of one queue for one group: the keys whose handler has
 * not *ended*. It outlives leases, links, workers and consumers, so that no handler
 * starts for such a key, whatever epoch delivered the message (P5; rule 20).
 */
export class QueueInHand {
  /** A key in hand: the only one at concurrency 1, where the set would be filled and emptied with every message. */
  #key: string | null = null;
  /** The others. */
  readonly #keys = new Set<string>();
  #handlers = 0;
  #waiting: (() => void)[] = [];

  /** Takes the key for one handler. `alone`: only if nothing at all of the queue is in hand. */
  take(key: string | null, alone: boolean): boolean {
    if (alone ? this.#handlers > 0 : key !== null && (key === this.#key || this.#keys.has(key))) return false;
    this.#handlers++;
    if (this.#key === null) this.#key = key;
    else if (key !== null) this.#keys.add(key);
    return true;
  }
  /** That handler has ended, or was abandoned. */
  free(key: string | null): void {
    this.#handlers--;
    if (key === this.#key) this.#key = null;
    else if (key !== null) this.#keys.delete(key);
    if (this.#waiting.length === 0) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const look of waiting) look();
  }
  /** Calls `look` once, when something comes free. */
  whenFree(look: () => void): void {
    this.#waiting.push(look);
  }
}

/** One per client, made and owned by it: two clients of one process share nothing, as if they were two processes. */
export class KeysInHand {
  readonly #queues = new Map<string, QueueInHand>();

  of(topic: string, group: string, queue: number): QueueInHand {
    const name = `${topic}/${group}/${queue}`; // none of them holds a slash
    const known = this.#queues.get(name) ?? new QueueInHand();
    this.#queues.set(name, known);
    return known;
  }
}
