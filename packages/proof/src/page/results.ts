import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";

/** Of any run; files of older runs lack some of it. */
const from = z.object({
  node: z.string().optional(),
  cores: z.number().optional(),
  date: z.iso.datetime().optional(),
  commit: z.string().nullish(),
});
export type From = z.infer<typeof from>;
const counts = z.record(z.string(), z.number());

const simulation = from.extend({
  /** The first of a range; `null`: the seeds were drawn. */
  from: z.number().nullable().default(null),
  /** The hash that they were drawn from. */
  drawnFrom: z.string().optional(),
  seeds: z.number(),
  messages: z.number(),
  historyLines: z.number(),
  virtualMs: z.number(),
  seconds: z.number(),
  threads: z.number(),
  faults: counts,
  sometimes: counts,
  failed: z.array(z.object({ seed: z.number(), promise: z.string(), text: z.string() })),
});
const mutant = z.object({
  name: z.string(),
  breaks: z.string(),
  promises: z.array(z.string()),
  caught: z.boolean(),
  seeds: z.number(),
  caughtBy: z.string().nullable(),
  seconds: z.number(),
});
/** Once written as the list alone. */
const mutants = z.preprocess(
  (value) => (Array.isArray(value) ? { mutants: value } : value),
  from.extend({ seedsMax: z.number().optional(), mutants: z.array(mutant).min(1) }),
);
const chaos = from.extend({
  seed: z.number(),
  /** Asked for: a run that failed or was interrupted took less. */
  minutes: z.number(),
  seconds: z.number().optional(),
  rate: z.number(),
  verdict: z.enum(["clean", "violated", "interrupted"]),
  diskFullBy: z.string(),
  ioErrorsBy: z.string(),
  recoveryMs: z.record(z.string(), z.object({ count: z.number(), p50: z.number(), max: z.number() })),
  explained: counts,
  byKind: counts,
  checks: counts,
  violations: counts,
  rounds: z.number(),
  failedRounds: z.number(),
  messages: z.number(),
  acknowledged: z.number(),
  handled: z.number(),
  handledAgain: z.number(),
  retried: z.number(),
  parked: z.number(),
  redriven: z.number(),
  duplicateReceipts: z.number(),
  staleSettlesRefused: z.number(),
  writesFencedOut: z.number(),
  kills: z.number(),
  killsWithWorkInFlight: z.number(),
  freezesBeyondLease: z.number(),
  cuts: z.number(),
  midFrameCuts: z.number(),
  ioErrorCalls: z.number(),
  brokerAborts: z.number(),
  skipped: z.number(),
});
const fuzz = from.extend({
  targets: z
    .array(
      z.object({
        target: z.string(),
        seed: z.number(),
        seconds: z.number(),
        inputs: z.number(),
        taken: z.number(),
        refused: z.number(),
        slowestMs: z.number(),
        finding: z.object({ error: z.string() }).nullable(),
      }),
    )
    .min(1),
});
const resources = from.extend({
  resources: z
    .array(
      z.object({
        name: z.string(),
        samples: z
          .array(
            z.object({
              size: z.number(),
              heapBytes: z.number(),
              rssBytes: z.number(),
              openMs: z.number().optional(),
              describeMs: z.number().optional(),
            }),
          )
          .min(1),
        goalBytes: z.number().nullable(),
        goalMs: z.number().nullable(),
        heapBytesEach: z.number(),
        rssBytesEach: z.number(),
        kept: z.boolean(),
      }),
    )
    .min(1),
});
const soak = from.extend({
  minutes: z.number(),
  peakPerSecond: z.number(),
  loadPerSecond: z.number(),
  handledPerSecond: z.number(),
  messages: z.number(),
  wrong: z.array(z.string()),
  verdicts: z.array(
    z.object({ name: z.string(), perHour: z.number(), first: z.number(), last: z.number(), flat: z.boolean() }),
  ),
  passed: z.boolean(),
});

export type Simulation = z.infer<typeof simulation>;
export type Mutants = z.infer<typeof mutants>;
export type Chaos = z.infer<typeof chaos>;
export type Fuzz = z.infer<typeof fuzz>;
export type Resources = z.infer<typeof resources>;
export type Soak = z.infer<typeof soak>;

/** What the commands wrote; `null` or an empty list where nothing was run. */
export interface Results {
  readonly simulation: Simulation | null;
  /** Of seeds that no two of them share, in their order. */
  readonly longSimulations: readonly Simulation[];
  readonly mutants: Mutants | null;
  readonly chaos: Chaos | null;
  readonly fuzz: Fuzz | null;
  readonly resources: Resources | null;
  readonly soak: Soak | null;
}
const FILES = { simulation, mutants, chaos, fuzz, resources, soak };
const LONG = /^simulation-long(-.+)?\.json$/;

/**
 * @throws when a file is not what its command writes,
 * is called by a name that no command's results have, or counts seeds that another one has counted
 */
export function readResults(folder: string): Results {
  const names = namesIn(folder);
  const known = Object.keys(FILES).map((name) => `${name}.json`);
  const strange = names.filter((name) => !known.includes(name) && !LONG.test(name));
  if (strange.length > 0)
    throw new Error(
      `results: expected files named ${known.join(", ")}, simulation-long*.json; found ${strange.join(", ")}`,
    );
  const read = <T>(name: string, schema: z.ZodType<T>): T =>
    parse(name, readFileSync(join(folder, name), "utf8"), schema);
  const one = <T>(name: string, schema: z.ZodType<T>): T | null => (names.includes(name) ? read(name, schema) : null);
  const longSimulations = names
    .filter((name) => LONG.test(name))
    .map((name) => ({ ...read(name, simulation), name }))
    .sort((a, b) => (a.from ?? 0) - (b.from ?? 0));
  for (const [index, { name, drawnFrom }] of longSimulations.entries()) {
    const before = longSimulations
      .slice(0, index)
      .find((each) => drawnFrom !== undefined && each.drawnFrom === drawnFrom);
    if (before !== undefined)
      throw new Error(
        `results/${before.name} and results/${name} are both drawn from ${drawnFrom}: sums would count seeds twice`,
      );
  }
  const ranges = longSimulations.flatMap(({ from, ...run }) => (from === null ? [] : [{ ...run, from }]));
  for (const [index, next] of ranges.entries()) {
    const before = ranges[index - 1];
    if (before !== undefined && before.from + before.seeds > next.from)
      throw new Error(
        `results/${before.name} and results/${next.name} both have seed ${next.from}: sums would count it twice`,
      );
  }
  return {
    simulation: one("simulation.json", simulation),
    longSimulations,
    mutants: one("mutants.json", mutants),
    chaos: one("chaos.json", chaos),
    fuzz: one("fuzz.json", fuzz),
    resources: one("resources.json", resources),
    soak: one("soak.json", soak),
  };
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => name.endsWith(".json"))
      .sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}
function parse<T>(name: string, text: string, schema: z.ZodType<T>): T {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new Error(`results/${name} is no JSON: ${(cause as Error).message}`, { cause });
  }
  const { data, error } = schema.safeParse(value);
  if (error !== undefined)
    throw new Error(`results/${name} is not what its command writes:\n${z.prettifyError(error)}`);
  return data as T;
}
