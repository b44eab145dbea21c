import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const packages = fileURLToPath(new URL("./packages/", import.meta.url));

/** Far beyond what any test takes on a machine that is twenty times as busy as it can be. */
const HANGS_MS = 600_000;
const PROOF_HANGS_MS = 7_200_000;

export default defineConfig({
  resolve: {
    // Packages of this repository resolve to their sources, so tests need no build.
    // Programs that a test starts as processes of their own run from dist: `npm test` builds first.
    alias: [
      { find: /^@seriatim\/([^/]+)$/, replacement: `${packages}$1/src/index.ts` },
      { find: /^@seriatim\/([^/]+)\/(client|store|transport)$/, replacement: `${packages}$1/src/$2.ts` },
      { find: /^@seriatim\/([^/]+)\/internals$/, replacement: `${packages}$1/src/internals.ts` },
    ],
  },
  test: {
    pool: "forks",
    maxWorkers: "100%", // the main process only listens
    // A test waits for what it tests, however slow the machine. These limits only end what hangs; no test has a shorter one of its own.
    testTimeout: HANGS_MS,
    hookTimeout: HANGS_MS,
    expect: { poll: { interval: 5, timeout: HANGS_MS / 2 } },
    restoreMocks: true,
    unstubEnvs: true,
    unstubGlobals: true,
    coverage: {
      provider: "v8",
      include: ["packages/*/src/**/*.ts"],
      exclude: ["**/*.test.ts", "**/*.fixture.ts", "**/*.bench.ts"],
      reporter: ["text-summary", "html", "json-summary"],
    },
    projects: [
      {
        extends: true,
        test: {
          name: "unit", // simulated clock, no sockets, no files
          include: ["packages/*/src/**/*.test.ts"],
          exclude: ["**/*.int.test.ts", "**/*.sim.test.ts", "**/*.proof.test.ts"],
          isolate: false, // the files of a worker share what they import: nothing here keeps state outside of what it makes
        },
      },
      {
        extends: true,
        test: {
          name: "simulation", // seeded fault schedules
          include: ["packages/*/src/**/*.sim.test.ts"],
        },
      },
      {
        extends: true,
        test: {
          name: "integration", // sockets, files, processes
          include: ["packages/*/src/**/*.int.test.ts", "test/**/*.test.ts"],
          exclude: ["**/*.proof.test.ts"],
        },
      },
      {
        extends: true,
        test: {
          name: "proof", // what takes long, one at a time, run by `npm run test:deep`: `npm test` leaves it out
          include: ["packages/*/src/**/*.proof.test.ts", "test/**/*.proof.test.ts"],
          maxWorkers: 1,
          fileParallelism: false,
          testTimeout: PROOF_HANGS_MS,
        },
      },
    ],
  },
});
