// The unit tests of what uses the peers, on the oldest of each that its range takes,
// and on the newest that it was tried with: what is installed here.
import { cpSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { run } from "@seriatim/rig";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { installedVersion, oldestOf, PEERS_VARIABLE, peerRanges } from "./peers.ts";

const ROOT = fileURLToPath(new URL("../../../../", import.meta.url));
const RANGES = peerRanges(ROOT);
const INSTALL_MS_MAX = 120_000;
/** Folders that import a peer, or test what does. */
const TESTED = [
  ...["broker", "client", "consumer", "link", "producer", "queue", "runtime", "subscription", "system"].map(
    (floor) => `packages/actors/src/${floor}/`,
  ),
  "packages/transport-memory/src/",
];
/** What npm says where no registry answers. */
const OFFLINE = /EAI_AGAIN|ENOTFOUND|ECONNREFUSED|ETIMEDOUT|ENETUNREACH|ENOTCACHED/;

interface Report {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly assertionResults: readonly { readonly title: string; readonly status: string }[];
  }[];
}
const base = realpathSync(mkdtempSync(join(tmpdir(), "seriatim-peers-")));
afterAll(() => rmSync(base, { recursive: true, force: true }));

/** Installs those versions into a folder of their own. */
async function install(versions: Readonly<Record<string, string>>): Promise<void> {
  writeFileSync(join(base, "package.json"), JSON.stringify({ private: true, type: "module", dependencies: versions }));
  const args = [
    "install",
    "--ignore-scripts",
    "--no-audit",
    "--no-fund",
    "--no-package-lock",
    "--prefer-offline",
    "--fetch-retries=1",
  ];
  const { status, stderr } = await run("npm", args, { cwd: base, timeoutMs: INSTALL_MS_MAX });
  if (status === 0) return;
  const why =
    OFFLINE.test(stderr) || status === null ? "no registry answers, and npm has not all of them kept" : stderr;
  throw new Error(`cannot try the oldest peers, ${JSON.stringify(versions)}: ${why}`);
}
/** @param folder where the peers are; without one they are what is installed here */
async function unitTests(folder: string | undefined): Promise<Report> {
  const file = join(base, "report.json");
  const config = folder === undefined ? "vitest.config.ts" : "packages/proof/vitest.peers.config.ts";
  const vitest = [join(ROOT, "node_modules/vitest/vitest.mjs"), "run", "--config", config, "--project", "unit"];
  const { stdout, stderr } = await run(
    process.execPath,
    [...vitest, ...TESTED, "--reporter", "json", "--outputFile", file],
    { cwd: ROOT, env: { [PEERS_VARIABLE]: folder } },
  );
  try {
    return JSON.parse(readFileSync(file, "utf8")) as Report;
  } catch (cause) {
    throw new Error(`vitest wrote no report: ${(stderr || stdout).slice(-2_000)}`, { cause });
  } finally {
    rmSync(file, { force: true });
  }
}
/** Type-checks what our packages declare, for a user who has these peers and checks the types of libraries. */
async function typeCheck(): Promise<string> {
  const copy = (from: string, to: string): void => cpSync(join(ROOT, from), join(base, to), { recursive: true });
  for (const name of ["actors", "transport-memory"])
    for (const part of ["package.json", "dist"])
      copy(`packages/${name}/${part}`, `node_modules/@seriatim/${name}/${part}`);
  copy("node_modules/@standard-schema", "node_modules/@standard-schema");
  const doors = ["actors", "actors/client", "actors/store", "actors/transport", "transport-memory"];
  const names = doors.map((door, n) => [`d${n}`, `@seriatim/${door}`] as const);
  const imports = names.map(([name, door]) => `import * as ${name} from "${door}";\nexport { ${name} };\n`);
  writeFileSync(join(base, "doors.ts"), imports.join(""));
  const options = [
    "--noEmit",
    "--strict",
    "--target",
    "es2023",
    "--lib",
    "es2023,esnext.disposable,dom",
    "--types",
    "",
  ];
  const tsc = [
    join(ROOT, "node_modules/typescript/bin/tsc"),
    "--ignoreConfig",
    "--module",
    "nodenext",
    ...options,
    "doors.ts",
  ];
  return (await run(process.execPath, tsc, { cwd: base })).stdout;
}
const failuresIn = ({ testResults }: Report): string[] =>
  testResults
    .filter(({ status }) => status === "failed")
    .flatMap(({ name, assertionResults }) => {
      const titles = assertionResults.filter(({ status }) => status === "failed").map(({ title }) => title);
      return titles.length === 0 ? [name] : titles.map((title) => `${name}: ${title}`);
    });

describe("the peers that a user may have", () => {
  const oldest = Object.fromEntries(Object.entries(RANGES).map(([name, range]) => [name, oldestOf(range)]));
  const all = { passed: 0 };
  beforeAll(async () => {
    const report = await unitTests(undefined);
    expect(failuresIn(report)).toEqual([]);
    all.passed = report.numPassedTests;
  });

  it("pass the unit tests in their newest versions", () => {
    expect(all.passed).toBeGreaterThan(500);
  });
  it("pass all of them in their oldest versions, too", async () => {
    await install(oldest);
    for (const [name, version] of Object.entries(oldest)) expect(installedVersion(base, name), name).toBe(version);
    expect(await typeCheck()).toBe("");
    const report = await unitTests(base);
    expect(failuresIn(report)).toEqual([]);
    expect(report.numPassedTests).toBe(all.passed);
  });
});
