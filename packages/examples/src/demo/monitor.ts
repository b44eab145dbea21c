import type { Client, GroupDescription, QueueView } from "@seriatim/actors";
import type { EventsTopic } from "./events-topic.ts";

const POLL_MS = 250;
const ANSWER_TIMEOUT_MS = 2_000;

/**
 * What the broker last said about the queues;
 * asked a few times a second for the view, and for the faults that wait for a mark.
 */
export class Monitor {
  readonly #client: Client;
  readonly #topic: EventsTopic;
  readonly #group: string;
  #timer: NodeJS.Timeout | null = null;
  #latest: GroupDescription | null = null;
  #answering = false;

  constructor(options: { readonly client: Client; readonly topic: EventsTopic; readonly group: string }) {
    this.#client = options.client;
    this.#topic = options.topic;
    this.#group = options.group;
  }
  start(): void {
    let asking = false;
    this.#timer = setInterval(() => {
      if (asking) return;
      asking = true;
      void this.ask().finally(() => {
        asking = false;
      });
    }, POLL_MS);
  }
  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }
  /** Asks now; `null` when no answer came in time (the broker may be away). */
  async ask(): Promise<GroupDescription | null> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<null>((resolve) => {
      timer = setTimeout(resolve, ANSWER_TIMEOUT_MS, null);
    });
    const asked = this.#client.describe(this.#topic, { group: this.#group }).catch(() => null);
    const answer = await Promise.race([asked, late]);
    clearTimeout(timer);
    this.#answering = answer !== null;
    if (answer !== null) this.#latest = answer;
    return answer;
  }
  /** Whether the broker answered the last time. */
  get answering(): boolean {
    return this.#answering;
  }
  get queues(): readonly QueueView[] {
    return this.#latest?.queues ?? [];
  }
  /** Messages that are settled or set aside. */
  get dealtWith(): number {
    return this.#latest === null ? 0 : dealtWith(this.#latest);
  }
}

const dealtWith = ({ counts }: GroupDescription): number =>
  Object.entries(counts).reduce((sum, [of, count]) => (of === "backlog" ? sum : sum + count), 0);

/** Nothing is left to do: every queue holds all that was sent to it, and has dealt with it or is halted. */
export const isDrained = (group: GroupDescription, sent: number): boolean =>
  group.queues.reduce((sum, { end }) => sum + end, 0) >= sent &&
  group.queues.every(({ backlog, halted }) => backlog === 0 || halted);
