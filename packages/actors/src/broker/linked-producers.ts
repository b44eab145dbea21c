import type { Queue } from "../queue/queue.ts";
import type { Session } from "./session.ts";

/** Which producers have a lane open; looked up when it is first asked, once for all queues. */
export class LinkedProducers {
  readonly #sessions: Iterable<Session>;
  #byQueue: Map<Queue, Set<string>> | null = null;

  constructor(sessions: Iterable<Session>) {
    this.#sessions = sessions;
  }
  has(queue: Queue, producer: string): boolean {
    this.#byQueue ??= this.#look();
    return this.#byQueue.get(queue)?.has(producer) === true;
  }
  #look(): Map<Queue, Set<string>> {
    const byQueue = new Map<Queue, Set<string>>();
    for (const session of this.#sessions)
      for (const { queue, producer } of session.producing()) {
        const producers = byQueue.get(queue) ?? new Set();
        producers.add(producer);
        byQueue.set(queue, producers);
      }
    return byQueue;
  }
}
