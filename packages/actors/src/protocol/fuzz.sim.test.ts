// Seeded fuzzing, 5 s a target; longer: npm run fuzz -- --minutes 10 --target json --seed 7
import { describe, expect, it } from "vitest";
import { FUZZ_TARGETS, fromHex, fuzzTarget } from "./fuzz.fixture.ts";
import { SAVED } from "./fuzz-corpus.fixture.ts";

const { env } = (globalThis as unknown as { process: { env: Readonly<Record<string, string | undefined>> } }).process;
const MS = Number(env["FUZZ_MS"] ?? 5_000);
const seed = Number(env["FUZZ_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
const targets = FUZZ_TARGETS.filter((name) => (env["FUZZ_TARGET"] ?? name) === name);
/** One input may take this long, on a machine that does other things as well. */
const INPUT_MS_MAX = 2_000;

const savedFor = (name: string): Uint8Array[] =>
  SAVED.filter(([target]) => target === name).map(([, , , digits]) => fromHex(digits));

describe("the saved corpus", () => {
  it.each(SAVED)("%s: %s (taken: %s)", (name, _what, isTaken, digits) => {
    const target = fuzzTarget(name, 1, []) as unknown as { try(packet: Uint8Array): boolean };
    expect(target.try(fromHex(digits))).toBe(isTaken);
  });
});

describe(`fuzzing with seed ${seed}`, () => {
  it.each(targets)(
    "%s: nothing but PROTOCOL_VIOLATION comes out, and nobody else notices",
    async (name) => {
      const target = fuzzTarget(name, seed, savedFor(name));
      const end = performance.now() + MS;
      let slowest = 0;
      for (let now = performance.now(); now < end; ) {
        try {
          await target.step();
        } catch (cause) {
          throw new Error(
            `${name}, input ${target.taken + target.refused} of seed ${seed}: ${String(cause)}\n${target.last}`,
            { cause },
          );
        }
        const after = performance.now();
        slowest = Math.max(slowest, after - now);
        now = after;
      }
      if (env["FUZZ_MS"] !== undefined)
        // biome-ignore lint/suspicious/noConsole: asked for by `npm run fuzz`
        console.info(
          `${name}, seed ${seed}: ${target.taken} taken, ${target.refused} refused, slowest ${Math.round(slowest)} ms`,
        );
      expect(slowest).toBeLessThan(INPUT_MS_MAX);
      expect(target.taken).toBeGreaterThan(20);
      expect(target.refused).toBeGreaterThan(20);
    },
    MS + 60_000,
  );
});
