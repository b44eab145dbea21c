declare const brand: unique symbol;
/**
 * A safe integer that only one kind of number may be assigned
 * to; plain `number` at run time, so that it stays JSON-safe.
 */
export type Branded<Name extends string> = number & { readonly [brand]: Name };
/** A message's place in its queue, from 0. */
export type Offset = Branded<"Offset">;
/** Fencing token of a lease, a producer or an owner: only grows. */
export type Epoch = Branded<"Epoch">;
/** A message's number in its lane (producer × queue × producer epoch), from 0. */
export type Sequence = Branded<"Sequence">;

/** `memory`: the broker has it; `flushed`: survives the death of the broker process; `synced`: survives power loss. */
export type Durability = "memory" | "flushed" | "synced";
const DURABILITIES: readonly Durability[] = ["memory", "flushed", "synced"];
/** Whether `a` promises at least what `b` does. */
export const atLeastAsDurable = (a: Durability, b: Durability): boolean =>
  DURABILITIES.indexOf(a) >= DURABILITIES.indexOf(b);

export const offset = (value: number): Offset => value as Offset;
export const epoch = (value: number): Epoch => value as Epoch;
export const sequence = (value: number): Sequence => value as Sequence;
/** Before the first epoch: never granted, so nothing carries it. */
export const NO_EPOCH: Epoch = epoch(0);
