import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it, onTestFinished } from "vitest";

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly private?: boolean;
  readonly dependencies?: Readonly<Record<string, string>>;
}

/** What is gone from the sources, and what stands in its place. */
const GONE: readonly (readonly [what: string, pattern: RegExp, instead: string])[] = [
  ["a look at a subscription's class", /instanceof (?:Leased|Shared)?Subscription\b/, "ask the `GroupSubscription`"],
  [
    "second owner of the broker's lease",
    /\b(?:Holding|LeaseKeeper|FlowOwner|AsidePlace|StoredLease|SubscriptionContextOf)\b/,
    "epoch and holder stand in `subscription/lease.machine.ts`, what works with them takes the `Lease`",
  ],
  ["a client's only connection", /environment\.connection\b/, "ask for the one to a queue's home: `linkTo(home)`"],
  [
    "private name where the field has a word",
    /\b(?:class|interface|type) (?:Hands|LeaseTalk|\w*Chronicle|Standing)\b|\.stir\(/,
    "take the word of docs/architecture.md (Words)",
  ],
  ["fake broker", /fake-?(?:broker|group)/i, "put a tap on the links of a real one (`link/tap.fixture.ts`)"],
];

const root = new URL("../", import.meta.url);
const read = (path: string): string => readFileSync(new URL(path, root), "utf8");
const folders = readdirSync(new URL("packages/", root)).map((name) => `packages/${name}/`);
const manifests = new Map(folders.map((folder) => [folder, JSON.parse(read(`${folder}package.json`)) as Manifest]));
const versions = new Map([...manifests.values()].map(({ name, version }) => [name, version]));

describe("the workspace", () => {
  it("records no download addresses in the lockfile", () => {
    expect(read("package-lock.json")).not.toMatch(/"resolved": "http/);
  });

  it.each([...manifests])("%s depends on its neighbours by their exact version", (_folder, { dependencies = {} }) => {
    const neighbours = Object.entries(dependencies).filter(([name]) => name.startsWith("@seriatim/"));
    expect(neighbours).toEqual(neighbours.map(([name]) => [name, versions.get(name)]));
  });

  it.each(GONE)("has no %s", (_, pattern, instead) => {
    const found = folders.flatMap(sourcesOf).filter((file) => pattern.test(read(file)));
    expect(found, instead).toEqual([]);
  });

  const published = [...manifests].filter(([, manifest]) => manifest.private !== true).map(([folder]) => folder);
  it.each(published)("%s carries the license it is published under", (folder) => {
    expect(read(`${folder}LICENSE`)).toBe(read("LICENSE"));
  });
});

/** What lint says of a small project under the rules of this one: the messages, by file. */
function linted(files: Readonly<Record<string, string>>): Readonly<Record<string, readonly string[]>> {
  const folder = mkdtempSync(join(tmpdir(), "seriatim-lint-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  for (const [path, text] of Object.entries({
    ...files,
    "biome.json": read("biome.json"),
    ".gitignore": "node_modules\n",
  })) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  const biome = fileURLToPath(new URL("node_modules/@biomejs/biome/bin/biome", root));
  const { stdout } = spawnSync(process.execPath, [biome, "lint", "--reporter=json", "packages"], {
    cwd: folder,
    encoding: "utf8",
  });
  interface Diagnostic {
    readonly category: string;
    readonly location: { readonly path: string };
  }
  const found: Record<string, string[]> = {};
  for (const { category, location } of (JSON.parse(stdout) as { diagnostics: readonly Diagnostic[] }).diagnostics) {
    found[location.path] = [...(found[location.path] ?? []), category];
  }
  return found;
}
const RESTRICTED = "lint/style/noRestrictedImports";

describe("lint", () => {
  /** The lower first. */
  const FLOORS = [
    ["message", "contracts"],
    ["contracts", "runtime"],
    ["runtime", "store"],
    ["store", "log"],
    ["protocol", "log"],
    ["log", "subscription"],
    ["subscription", "queue"],
    ["queue", "broker"],
    ["broker", "system"],
    ["protocol", "link"],
    ["link", "producer"],
    ["link", "consumer"],
    ["consumer", "client"],
    ["client", "system"],
  ] as const;
  const SIBLINGS = [
    ["store", "protocol"],
    ["queue", "link"],
    ["broker", "client"],
    ["producer", "consumer"],
  ] as const;
  const src = "packages/actors/src";
  const importing = (folder: string) => ({
    value: `import { found } from "../${folder}/found.ts";\nexport const it = found;\n`,
    type: `import type { Found } from "../${folder}/found.ts";\nexport type It = Found;\n`,
  });
  const TESTING = [
    ["chance", "network"],
    ["network", "watch"],
    ["watch", "engine"],
    ["engine", "planned"],
    ["engine", "programs"],
  ] as const;
  const bothWays = (pairs: typeof SIBLINGS | readonly (readonly [string, string])[]) =>
    pairs.flatMap(([one, other]) => [[one, other] as const, [other, one] as const]);
  it("refuses an import from a higher floor or a sibling, of types too", () => {
    const files: Record<string, string> = {};
    const testing = "packages/testing/src";
    const refused = [
      ...[...FLOORS, ...bothWays(SIBLINGS)].map((pair) => [src, ...pair] as const),
      ...[...TESTING, ...bothWays([["planned", "programs"]])].map(
        (pair) => [`${testing}/simulation`, ...pair] as const,
      ),
      ...bothWays([["history", "kits"]]).map((pair) => [testing, ...pair] as const),
      [testing, "history", "simulation"] as const,
    ];
    for (const [folder, lower, upper] of refused) {
      const { value, type } = importing(upper);
      files[`${folder}/${lower}/${upper}-value.ts`] = value;
      files[`${folder}/${lower}/${upper}-type.ts`] = type;
    }
    files[`${testing}/history/system.ts`] =
      'import { topic } from "@seriatim/actors/client";\nexport const it = topic;\n';
    expect(linted(files)).toEqual(Object.fromEntries(Object.keys(files).map((path) => [path, [RESTRICTED]])));
  });
  it("refuses a circle, of types too", () => {
    const files = {
      [`${src}/log/one.ts`]: 'import { other } from "./other.ts";\nexport const one = (): unknown => other;\n',
      [`${src}/log/other.ts`]: 'import { one } from "./one.ts";\nexport const other = (): unknown => one;\n',
      [`${src}/queue/it.ts`]: 'import type { That } from "./that.ts";\nexport type It = That | null;\n',
      [`${src}/queue/that.ts`]: 'import { type It } from "./middle.ts";\nexport type That = It | 1;\n',
      [`${src}/queue/middle.ts`]: 'export type { It } from "./it.ts";\n',
    };
    const circular = "lint/suspicious/noImportCycles";
    const found = Object.entries(linted(files)).filter(([, categories]) => categories.includes(circular));
    expect(found.map(([path]) => path).sort()).toEqual(Object.keys(files).sort());
  });
  it("refuses an import of a door from inside", () => {
    const doors = ["client", "internals", "store", "transport"];
    const files = Object.fromEntries(
      doors.map((door) => [`${src}/broker/${door}-door.ts`, `export { found } from "../${door}.ts";\n`]),
    );
    expect(linted(files)).toEqual(Object.fromEntries(Object.keys(files).map((path) => [path, [RESTRICTED]])));
  });
  it("takes one from a lower floor", () => {
    const files: Record<string, string> = {};
    for (const [lower, upper] of FLOORS) files[`${src}/${upper}/${lower}.ts`] = importing(lower).value;
    expect(linted(files)).toEqual({});
  });
});

const sourcesOf = (folder: string): string[] =>
  readdirSync(new URL(`${folder}src/`, root), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts"))
    .map((file) => `${folder}src/${file}`);
