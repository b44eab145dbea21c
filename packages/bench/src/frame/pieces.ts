import { Arrivals, type Expected } from "./arrivals.ts";
import { type Message, nowMs } from "./message.ts";

/** Messages of a key that one process handled one after another: numbers `from` up to, not including, `to`. */
export interface Piece {
  readonly key: number;
  readonly from: number;
  readonly to: number;
  /** When the first of them was taken. */
  readonly atMs: number;
}
type Growing = { -readonly [Fact in keyof Piece]: Piece[Fact] };

/** What one of several consumers handled: a few pieces per key, however many messages. */
export class Pieces {
  readonly #pieces: Growing[] = [];
  readonly #newest: Growing[] = [];

  take({ key, n }: Pick<Message, "key" | "n">): void {
    const newest = this.#newest[key];
    if (newest?.to === n) newest.to = n + 1;
    else {
      const piece = { key, from: n, to: n + 1, atMs: nowMs() };
      this.#newest[key] = piece;
      this.#pieces.push(piece);
    }
  }
  get list(): readonly Piece[] {
    return this.#pieces;
  }
}
/**
 * Judges the pieces of all consumers together:
 * laid one after another as they began, they must be what one consumer should have handled.
 */
export function judgePieces(pieces: readonly Piece[], expected: Expected): Arrivals {
  const arrivals = new Arrivals(expected);
  for (const { key, from, to } of pieces.toSorted((a, b) => a.atMs - b.atMs))
    for (let n = from; n < to; n++) arrivals.take({ key, n });
  return arrivals;
}
