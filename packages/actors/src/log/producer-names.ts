import { mayHave, nameOfAnother, type Owner } from "./owner.ts";

/**
 * Whose the names of one topic's producers are: of the principal that began one, for as long as any queue of the topic
 * knows it (rule 11). Says what the queues' tables hold.
 */
export class ProducerNames {
  readonly #topic: string;
  readonly #owned = new Map<string, { readonly owner: string; queues: number }>();

  constructor(topic: string) {
    this.#topic = topic;
  }
  /** @throws `NAME_IN_USE` where it is another principal's, at this queue (`of`) or at any other of the topic */
  check(name: string, by: Owner, of: Owner): void {
    if (mayHave(by, of) && mayHave(by, this.#owned.get(name)?.owner ?? null)) return;
    throw nameOfAnother(
      `producer "${name}" of topic "${this.#topic}"`,
      name,
      by,
      "a week after its producer was last linked",
    );
  }
  /** A queue has it as this principal's. */
  add(name: string, owner: Owner): void {
    if (owner === null) return;
    const known = this.#owned.get(name);
    if (known === undefined) this.#owned.set(name, { owner, queues: 1 });
    else if (known.owner === owner) known.queues++;
  }
  /** A queue has it no longer. */
  remove(name: string, owner: Owner): void {
    const known = this.#owned.get(name);
    if (known !== undefined && known.owner === owner && --known.queues === 0) this.#owned.delete(name);
  }
}
