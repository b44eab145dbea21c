import type { Subscription } from "rxjs";
import type { BrokerLink } from "../link/broker-link.ts";
import type { Connection } from "../link/connection.ts";
import type { TopicView } from "../link/topic-directory.ts";
import { atLeastAsDurable, type Durability } from "../message/brands.ts";
import { MessagingError } from "../message/errors.ts";
import { slotOf } from "../message/route.ts";
import type { PendingSend } from "./pending-send.ts";
import type { ProducerScope } from "./producer-scope.ts";

/** Where a producer's topic lives and which queue a message goes to, as far as that is known; what its broker takes. */
export class ProducerRoute {
  readonly #scope: ProducerScope;
  readonly #onLink: (link: BrokerLink | null) => void;
  #connection: Connection;
  #links: Subscription;
  #view: TopicView | undefined;
  #finding: AbortController | null = null;
  #nextQueue = 0;

  /** `onLink`: told the present link to the broker, and each change. */
  constructor(scope: ProducerScope, onLink: (link: BrokerLink | null) => void) {
    const { environment } = scope;
    this.#scope = scope;
    this.#onLink = onLink;
    this.#connection = environment.linkTo(environment.home); // until it is known to live elsewhere
    this.#links = this.#connection.links$.subscribe(onLink);
  }
  get view(): TopicView | undefined {
    return this.#view;
  }
  get link(): BrokerLink | null {
    return this.#connection.link;
  }
  get version(): number {
    return this.#view?.route.version ?? 0;
  }
  get isFinding(): boolean {
    return this.#finding !== null;
  }
  /** Rejects with what `TopicDirectory.find` does. */
  async find(): Promise<void> {
    const { environment, topic, name } = this.#scope;
    const finding = new AbortController();
    this.#finding = finding;
    try {
      const view = await environment.topics.find(topic, { producer: name }, finding.signal);
      finding.signal.throwIfAborted();
      this.#view = view;
      this.#moveTo(environment.linkTo(view.home));
    } finally {
      if (this.#finding === finding) this.#finding = null;
    }
  }
  #moveTo(connection: Connection): void {
    if (connection === this.#connection) return;
    this.#links.unsubscribe();
    this.#connection = connection;
    this.#links = connection.links$.subscribe(this.#onLink);
  }
  /** A queue said that it is not its own: asks for the newer one. */
  findAnew(): void {
    const { environment, topic, name } = this.#scope;
    environment.topics.forget(topic.name);
    environment.topics.find(topic, { producer: name }).then(
      (view) => {
        this.#view = view;
      },
      () => {}, // the lane comes back here when it is refused again
    );
  }
  stop(): void {
    this.#links.unsubscribe();
    this.#finding?.abort();
  }

  /**
   * Without a key a message goes to one queue after another; but the same id to the same one, since it
   * is there that a repeat is known.
   */
  queueOf({ key, id, slot }: PendingSend, view: TopicView): number {
    if (key === null && id === null) return this.#nextQueue++ % view.spec.queues;
    return view.table[key === null ? slotOf(id as string) : slot] ?? 0;
  }
  /** Of receipts. */
  get durability(): Durability {
    return (
      this.#scope.settings.durability ?? (this.#connection.welcome.durabilityMax === "memory" ? "memory" : "flushed")
    );
  }
  /** @throws `MESSAGE_TOO_LARGE` `DURABILITY_UNAVAILABLE` */
  requireTaken(bytes: number): void {
    const { messageBytesMax: bytesMax, durabilityMax: available } = this.#connection.welcome;
    if (bytes > bytesMax)
      throw new MessagingError(
        "MESSAGE_TOO_LARGE",
        `the message has ${bytes} bytes; the broker takes at most ${bytesMax}`,
        { data: { bytes, bytesMax } },
      );
    const asked = this.#scope.settings.durability;
    if (asked !== null && !atLeastAsDurable(available, asked))
      throw new MessagingError(
        "DURABILITY_UNAVAILABLE",
        `the broker's store keeps messages "${available}" at most, "${asked}" was asked for`,
        { data: { asked, available } },
      );
  }
}
