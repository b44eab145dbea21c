import type { PromiseId } from "@seriatim/testing";

/** A deliberate bug, as data: the product's source stays clean. */
export interface Mutant {
  /** Stable: reports and documents refer to it. */
  readonly name: string;
  /** What is wrong with it, in one line. */
  readonly breaks: string;
  /** The promises that this puts at risk; it may be caught by another one first. */
  readonly promises: readonly PromiseId[];
  /** The source that is changed, from `packages/actors/src`. */
  readonly file: string;
  /** Stands in that source exactly once; how it is indented and broken into lines does not matter. */
  readonly find: string;
  readonly replace: string;
  /** What has to be changed with it, in the same source: another guard that would hide the bug. */
  readonly also?: { readonly find: string; readonly replace: string };
  /** The test that has to fail with it; without one a seed of the simulation has to catch it. */
  readonly test?: MutantTest;
}
export interface MutantTest {
  /** From the repository's root. */
  readonly file: string;
  readonly title: string;
}

/**
 * The source with the bug in it.
 * @throws when what the mutant changes is not there exactly once: the source has moved on, and the mutant must follow
 */
export function mutate({ name, file, find, replace, also }: Mutant, source: string): string {
  let mutated = source;
  for (const edit of [{ find, replace }, ...(also === undefined ? [] : [also])]) {
    const text = new RegExp(edit.find.trim().split(/\s+/).map(escaped).join("\\s+"), "g");
    const found = [...mutated.matchAll(text)].length;
    if (found !== 1)
      throw new Error(
        `mutant "${name}": expected its text exactly once in packages/actors/src/${file}, found it ${found} times:\n${edit.find}`,
      );
    mutated = mutated.replace(text, () => edit.replace);
  }
  return mutated;
}
const escaped = (literal: string): string => literal.replaceAll(/[\\^$.*+?()[\]{}|]/g, "\\$&");
