// What all orders about what is set aside have, and what each is answered with.
import type { Offset } from "../../message/brands.ts";
import { nullable, record } from "../checks.ts";
import { id, key, name, natural, offsets, place, queue, text } from "../field-checks.ts";

/** About one entry of the list. */
export interface EntryOrder {
  readonly topic: string;
  readonly group: string;
  readonly entry: string;
  readonly reason: string;
}
/** About all that is parked of a key. */
export interface KeyOrder {
  readonly topic: string;
  readonly group: string;
  readonly key: string;
  readonly reason: string;
}
const order = { topic: name, group: name, reason: text };
export const entryOrder = { ...order, entry: place };
export const keyOrder = { ...order, key };

/** Messages a change touched, and the revision it was committed as. */
export interface AsideChanged {
  readonly queue: number;
  readonly revision: number;
  readonly offsets: readonly Offset[];
  readonly key: string | null;
  /** Of the message that an order about one entry names; null under an order about a whole key. */
  readonly id: string | null;
}
export const asideChanged = record<AsideChanged>({
  queue,
  revision: natural,
  offsets,
  key: nullable(key),
  id: nullable(id),
});
