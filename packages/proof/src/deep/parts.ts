import { drawnSeed } from "../drawn.ts";
import type { Part } from "./part.ts";
import { vitestPart } from "./vitest-part.ts";

const SEEDS = 1_000;
const MESSAGES_MIN = 500;
const FUZZ_TARGETS = 4;
const SOAK_LOOKS = 12;
const number = (value: number): string => value.toLocaleString("en");

const simulation: Part = {
  name: "simulation",
  about: `${number(SEEDS)} seeds drawn from the commit's hash; with all of them every rare situation has to come up`,
  share: 15,
  minutesMin: 1,
  isFixed: false,
  files: [],
  command: ({ minutes, hash, json }) => ({
    args: [
      "packages/proof/dist/sim/main.js",
      "--seeds",
      `${SEEDS}`,
      "--drawn",
      hash,
      "--minutes",
      `${minutes}`,
      "--json",
      json,
    ],
  }),
  outcome: (report, { hash }) => {
    const { seeds, messages, failed, never } = report as {
      readonly seeds: number;
      readonly messages: number;
      readonly failed: readonly { readonly seed: number }[];
      readonly never: readonly string[];
    };
    const again = failed.map(({ seed }) => `npm run sim -- --seed ${seed} --trace`);
    if (seeds >= SEEDS && never.length > 0) again.push(`npm run sim -- --seeds ${SEEDS} --drawn ${hash}`);
    if (seeds >= SEEDS && messages < seeds * MESSAGES_MIN)
      again.push(`npm run sim -- --seeds ${seeds} --drawn ${hash}`);
    return { did: `${number(seeds)} of ${number(SEEDS)} seeds`, isWhole: seeds >= SEEDS, again };
  },
};
const mutants: Part = {
  name: "mutants",
  about: "every deliberate bug, in an order drawn from the commit's hash: each has to be caught",
  share: 14,
  minutesMin: 1,
  isFixed: false,
  files: [],
  command: ({ minutes, hash, json }) => ({
    args: ["packages/proof/dist/mutants/main.js", "--minutes", `${minutes}`, "--seed", hash, "--json", json],
  }),
  outcome: (report) => {
    const { mutants: tried, notReached } = report as {
      readonly mutants: readonly { readonly name: string; readonly caught: boolean }[];
      readonly notReached: readonly string[];
    };
    const again = tried.filter(({ caught }) => !caught).map(({ name }) => `npm run mutants -- --only ${name}`);
    const all = tried.length + notReached.length;
    return { did: `${tried.length} of ${all} mutants`, isWhole: notReached.length === 0, again };
  },
};
const fuzz: Part = {
  name: "fuzz",
  about: "what decoders and sessions take, its minutes divided among its targets",
  share: 4,
  minutesMin: 0.5,
  isFixed: false,
  files: [],
  command: ({ minutes, hash, json }) => ({
    args: [
      "scripts/fuzz.mjs",
      "--minutes",
      `${minutes / FUZZ_TARGETS}`,
      "--seed",
      `${drawnSeed(hash, "fuzz")}`,
      "--json",
      json,
    ],
  }),
  outcome: (report) => {
    const { targets } = report as {
      readonly targets: readonly {
        readonly target: string;
        readonly seed: number;
        readonly inputs: number;
        readonly finding: unknown;
      }[];
    };
    const inputs = targets.reduce((sum, target) => sum + target.inputs, 0);
    const again = targets
      .filter(({ finding }) => finding !== null)
      .map(({ target, seed }) => `npm run fuzz -- --target ${target} --seed ${seed}`);
    return { did: `${number(inputs)} inputs`, isWhole: targets.length === FUZZ_TARGETS, again };
  },
};
const soak: Part = {
  name: "soak",
  about: "half of the peak load: memory, handles and the store stay flat",
  share: 7,
  minutesMin: 6,
  isFixed: false,
  files: [],
  command: ({ minutes, json }) => ({
    args: [
      "packages/proof/dist/soak/main.js",
      "--minutes",
      `${minutes - 1}`,
      "--every",
      `${(minutes * 60) / SOAK_LOOKS}`,
      "--json",
      json,
    ],
  }),
  outcome: (report, { minutes }) => {
    const { messages, passed } = report as { readonly messages: number; readonly passed: boolean };
    const again = passed ? [] : [`npm run soak -- --minutes ${Math.round(minutes)}`];
    return { did: `${number(messages)} messages`, isWhole: true, again };
  },
};

/**
 * The table that N minutes are divided by, in the order in which parts get their least.
 * Whoever adds a part makes room for it: the shares are 60 in all.
 */
export const PARTS: readonly Part[] = [
  simulation,
  vitestPart({
    name: "determinism",
    about: "50 seeds twice in Node and once in Deno: the same trace hashes",
    share: 2,
    minutesMin: 1,
    files: ["test/simulation.proof.test.ts", "packages/testing/src/simulation/planned/simulation.proof.test.ts"],
  }),
  mutants,
  vitestPart({
    name: "documents",
    about: "every example of every document, type-checked and run",
    share: 1,
    minutesMin: 0.5,
    files: ["test/documents.proof.test.ts"],
  }),
  vitestPart({
    name: "hostile",
    about: "hostile clients against a broker, most in a process of its own",
    share: 1,
    minutesMin: 0.5,
    files: ["packages/transport-ws/src/hostile.proof.test.ts", "packages/proof/src/hostile/hostile.proof.test.ts"],
  }),
  vitestPart({
    name: "store",
    about: "crash loops, cut files, bit flips, races of the committer",
    share: 4,
    minutesMin: 3,
    files: [
      "test/store-crash.proof.test.ts",
      "packages/store-lmdb/src/lmdb-crash.proof.test.ts",
      "packages/store-lmdb/src/lmdb-flips.proof.test.ts",
      "packages/store-lmdb/src/journal.proof.test.ts",
      "packages/store-lmdb/src/committer.race.proof.test.ts",
      "packages/store-lmdb/src/file-use.proof.test.ts",
    ],
  }),
  vitestPart({
    name: "peers",
    about: "unit tests on the oldest and the newest XState, RxJS and inversify that a user may have",
    share: 1,
    minutesMin: 1,
    files: ["packages/proof/src/peers/peers.proof.test.ts"],
  }),
  fuzz,
  vitestPart(
    {
      name: "chaos",
      about: "real processes that are killed, frozen and cut off",
      share: 8,
      minutesMin: 4,
      files: ["packages/proof/src/chaos/chaos.proof.test.ts"],
    },
    (minutes, hash) => ({ CHAOS_MINUTES: `${Math.max(2, minutes - 2)}`, CHAOS_SEED: `${drawnSeed(hash, "chaos")}` }),
  ),
  vitestPart({
    name: "programs",
    about: "the demo, the benchmarks and the soak as programs; `simulate` over many seeds",
    share: 3,
    minutesMin: 3,
    files: [
      "packages/examples/src/demo/demo.proof.test.ts",
      "packages/bench/src/bench.proof.test.ts",
      "packages/bench/src/against/against.proof.test.ts",
      "packages/proof/src/soak/soak.proof.test.ts",
      "packages/testing/src/simulation/programs/simulate.proof.test.ts",
      "packages/testing/src/simulation/planned/memory-receipts.proof.test.ts",
    ],
  }),
  soak,
];
