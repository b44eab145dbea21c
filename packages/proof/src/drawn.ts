import { createHash } from "node:crypto";

/** Nine digits: short enough to be read and typed. */
const SEEDS = 999_999_999;

/** Seeds drawn from a commit's hash, without end: same hash, same list. None comes twice. */
export function* drawnSeeds(hash: string): Generator<number, never> {
  const drawn = new Set<number>();
  for (let n = 0; ; n++) {
    const seed = 1 + (numberOf(`${hash} seed ${n}`) % SEEDS);
    if (drawn.has(seed)) continue;
    drawn.add(seed);
    yield seed;
  }
}
/** One seed, for a run that takes only one. `purpose` keeps two of them apart. */
export const drawnSeed = (hash: string, purpose: string): number => 1 + (numberOf(`${hash} ${purpose}`) % SEEDS);

const numberOf = (text: string): number => createHash("sha256").update(text).digest().readUIntBE(0, 6);
