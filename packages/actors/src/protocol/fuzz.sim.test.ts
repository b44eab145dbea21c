// Seeded fuzzing, 1 s a target; longer: npm run fuzz -- --minutes 10 --target json --seed 7
import { afterAll, describe, expect, it } from "vitest";
import { cpuTime } from "../runtime/cpu-time.fixture.ts";
import { FUZZ_TARGETS, fuzzTarget } from "./fuzz.fixture.ts";
import type { FuzzTarget } from "./fuzz-bytes.fixture.ts";
import { SAVED } from "./fuzz-corpus.fixture.ts";
import FOUND from "./fuzz-corpus.json" with { type: "json" };

interface Files {
  writeFileSync(path: string, text: string): void;
}
const { env, getBuiltinModule } = (
  globalThis as unknown as {
    process: {
      env: Readonly<Record<string, string | undefined>>;
      getBuiltinModule(name: string): Files;
    };
  }
).process;
const MS = Number(env["FUZZ_MS"] ?? 1_000);
const seed = Number(env["FUZZ_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
const targets = FUZZ_TARGETS.filter((name) => (env["FUZZ_TARGET"] ?? name) === name);
/** One input may take this much of a processor, however many share it. */
const INPUT_MS_MAX = 2_000;
const SEEN_MIN = 20;

/** What `--save` has kept: one input for each outcome seen so far, and every finding. */
const found: Readonly<Record<string, Readonly<Record<string, string>>>> = FOUND;
const savedFor = (name: string): string[] => [
  ...SAVED.filter(([target]) => target === name).map(([, , , digits]) => digits),
  ...Object.values(found[name] ?? {}),
];

describe("the saved corpus", () => {
  it.each(SAVED)("%s: %s (taken: %s)", async (name, _what, isTaken, digits) => {
    const target = fuzzTarget(name, 1, []);
    await target.replay(digits);
    expect([target.taken, target.refused]).toEqual(isTaken ? [1, 0] : [0, 1]);
  });
  it.each(FUZZ_TARGETS)("%s: what was kept is taken or refused, and harms nobody", async (name) => {
    const target = fuzzTarget(name, 1, []);
    const inputs = Object.values(found[name] ?? {});
    for (const input of inputs) await target.replay(input);
    expect(inputs.length).toBeGreaterThan(10);
    expect(target.taken + target.refused).toBe(inputs.length);
  });
});

interface Outcome {
  readonly target: string;
  readonly seed: number;
  readonly seconds: number;
  readonly inputs: number;
  readonly taken: number;
  readonly refused: number;
  readonly slowestMs: number;
  readonly finding: { readonly error: string; readonly input: string } | null;
  readonly corpus: Readonly<Record<string, string>>;
}
const outcomes: Outcome[] = [];
afterAll(() => {
  const report = env["FUZZ_REPORT"];
  if (report !== undefined) getBuiltinModule("node:fs").writeFileSync(report, JSON.stringify(outcomes));
});

/** For so long, and until some inputs of either kind have been seen. */
async function fuzz(target: FuzzTarget, ms: number): Promise<{ slowestMs: number; finding: Outcome["finding"] }> {
  const end = performance.now() + ms;
  const isEnough = (): boolean => Math.min(target.taken, target.refused) > SEEN_MIN && performance.now() > end;
  let slowestMs = 0;
  for (let now = cpuTime(); !isEnough(); ) {
    try {
      await target.step();
    } catch (error) {
      return { slowestMs, finding: { error: String(error), input: target.last } };
    }
    const after = cpuTime();
    slowestMs = Math.max(slowestMs, after - now);
    now = after;
  }
  return { slowestMs, finding: null };
}

describe(`fuzzing with seed ${seed}`, () => {
  it.each(targets)(
    "%s: nothing but PROTOCOL_VIOLATION comes out, and nobody else notices",
    async (name) => {
      const target = fuzzTarget(name, seed, savedFor(name));
      const startedAt = performance.now();
      const { slowestMs, finding } = await fuzz(target, MS);
      const { taken, refused } = target;
      outcomes.push({
        target: name,
        seed,
        seconds: Math.round((performance.now() - startedAt) / 100) / 10,
        inputs: taken + refused,
        taken,
        refused,
        slowestMs: Math.round(slowestMs),
        finding,
        corpus: Object.fromEntries(target.corpus.outcomes),
      });
      if (finding !== null)
        throw new Error(`${name}, input ${taken + refused} of seed ${seed}: ${finding.error}\n${finding.input}`);
      expect(slowestMs).toBeLessThan(INPUT_MS_MAX);
    },
    MS + 600_000,
  );
});
