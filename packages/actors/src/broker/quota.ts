/** How much each of many has of something that nobody may have too much of. */
export class Quota {
  readonly max: number;
  readonly #held = new Map<unknown, number>();

  constructor(max: number) {
    this.max = max;
  }
  /** Whether the holder may have so much more. */
  hasRoom(holder: unknown, more: number): boolean {
    return (this.#held.get(holder) ?? 0) + more <= this.max;
  }
  /** The holder has more, or (negative) less. */
  add(holder: unknown, more: number): void {
    const held = (this.#held.get(holder) ?? 0) + more;
    if (held === 0) this.#held.delete(holder);
    else this.#held.set(holder, held);
  }
}
