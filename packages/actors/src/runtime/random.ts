/**
 * A small seeded generator: xoshiro128** 1.1 (David Blackman and Sebastiano Vigna, 2018, public domain,
 * https://prng.di.unimi.it/xoshiro128starstar.c). Same seed, same numbers, on every platform.
 */
export function xoshiro128(state: readonly [number, number, number, number]): () => number {
  let [a, b, c, d] = state;
  return () => {
    const five = Math.imul(b, 5);
    const result = Math.imul((five << 7) | (five >>> 25), 9) >>> 0;
    const shifted = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= shifted;
    d = (d << 11) | (d >>> 21);
    return result;
  };
}

/**
 * Uniform in [0, 1), from any integer seed; the state is filled by
 * splitmix32 (the 32-bit finalizer of MurmurHash3 over a Weyl sequence).
 */
export function seededRandom(seed: number): () => number {
  let weyl = seed | 0;
  const next = (): number => {
    weyl = (weyl + 0x9e3779b9) | 0;
    let mixed = weyl ^ (weyl >>> 16);
    mixed = Math.imul(mixed, 0x85ebca6b);
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
    return (mixed ^ (mixed >>> 16)) >>> 0;
  };
  const words = xoshiro128([next(), next(), next(), next() | 1]); // never all zero
  return () => words() / 2 ** 32;
}
