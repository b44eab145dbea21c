// Every `ts` block of the documents is type-checked, all of them together, against the built packages; then what can run is run.
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { type ErrorCode, MessagingError } from "@seriatim/actors";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { documents, quoted, tableOf } from "./documents.fixture.ts";
import { inRepository, run, runDeno, runNode, tsc } from "./program.fixture.ts";

const all = documents();
const probes = [new URL("./types/modules.ts", import.meta.url), new URL("./types/topics.ts", import.meta.url)];
let project = "";

/** The guide's tables name all that there is, and nothing else: a probe made of them. */
function tablesProbe(): string {
  const errors = tableOf("docs/api.md", "code | meaning").map(([code]) => quoted(code)[0]);
  const events = tableOf("docs/api.md", "events").flatMap(([names]) => quoted(names));
  const states = tableOf("docs/api.md", "kind").flatMap(([kinds, names]) =>
    quoted(kinds).map((kind) => `${kind}: ${union(quoted(names))};`),
  );
  return `
    import type { ActorStates, ErrorCode, SystemEvent } from "@seriatim/actors";
    type Equal<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false;
    const codes: Equal<${union(errors)}, ErrorCode> = true;
    const events: Equal<${union(events)}, SystemEvent["type"]> = true;
    const states: Equal<{ ${states.join(" ")} }, ActorStates> = true;
    export { codes, events, states };
  `;
}
const union = (names: readonly unknown[]): string => names.map((name) => JSON.stringify(name)).join(" | ");

const compilerOptions = {
  target: "es2023",
  lib: ["es2023", "esnext.disposable", "dom"],
  types: ["node"],
  module: "nodenext",
  moduleDetection: "force",
  verbatimModuleSyntax: true,
  allowImportingTsExtensions: true,
  rewriteRelativeImportExtensions: true,
  strict: true,
  noUncheckedIndexedAccess: true,
  exactOptionalPropertyTypes: true,
  skipLibCheck: true,
  rootDir: ".",
  outDir: "out",
};
function write(path: string, text: string): void {
  mkdirSync(dirname(join(project, path)), { recursive: true });
  writeFileSync(join(project, path), text);
}
/** A folder for the program's own files, so that two runs of one do not meet. */
function emptyFolder(name: string): string {
  const folder = join(project, "runs", name);
  mkdirSync(folder, { recursive: true });
  return folder;
}

beforeAll(() => {
  project = realpathSync(mkdtempSync(join(tmpdir(), "seriatim-api-")));
  symlinkSync(inRepository("node_modules"), join(project, "node_modules"), "junction");
  write("package.json", JSON.stringify({ type: "module", private: true }));
  for (const { path, modules } of all) for (const { name, text } of modules) write(`${path}/${name}`, text);
  for (const probe of probes) write(`test/types/${basename(probe.pathname)}`, readFileSync(probe, "utf8"));
  write("test/types/tables-of-the-guide.ts", tablesProbe());
  const include = [...all.map(({ path }) => `${path}/*.ts`), "test/types/*.ts"];
  write("tsconfig.json", JSON.stringify({ compilerOptions, include }));
  write(
    "tsconfig.loose.json",
    JSON.stringify({
      extends: "./tsconfig.json",
      compilerOptions: { noEmit: true, exactOptionalPropertyTypes: false, skipLibCheck: false },
      include,
    }),
  );
});
afterAll(() => rmSync(project, { recursive: true, force: true }));

describe("the documents", () => {
  it("show the quick start as it is in the examples", () => {
    const quickStart = readFileSync(inRepository("packages/examples/src/quick-start.ts"), "utf8").trim();
    expect(all.find(({ path }) => path === "README.md")?.blocks).toContain(quickStart);
  });
  it("say of each error whether trying again can help", () => {
    const rows = tableOf("docs/api.md", "code | meaning").map(([code, , , retryable]) => [quoted(code)[0], retryable]);
    expect(rows).toEqual(
      rows.map(([code]) => [code, new MessagingError(code as ErrorCode, "").retryable ? "yes" : "no"]),
    );
  });
});

describe("the examples of the documents, and the probes in test/types,", () => {
  it("type-check under strict, noUncheckedIndexedAccess and exactOptionalPropertyTypes", async () => {
    const { stdout, status } = await run(process.execPath, [tsc, "-p", "tsconfig.json"], { cwd: project });
    expect(stdout).toBe("");
    expect(status).toBe(0);
  });
  it("type-check without exactOptionalPropertyTypes, the packages' own declarations included", async () => {
    const { stdout, status } = await run(process.execPath, [tsc, "-p", "tsconfig.loose.json"], { cwd: project });
    expect(stdout).toBe("");
    expect(status).toBe(0);
  });
});

describe("the examples of the documents", () => {
  /** What a program prints, where that is part of what the document says. */
  const said: Readonly<Record<string, readonly RegExp[]>> = {
    "README.md/main.ts": [/^g1 e4 attempt 1\ng1 e5 attempt 1\ng1 Nf3 attempt 1\n$/],
    "docs/api.md/main.ts": [
      /^synced false$/m,
      /^posted to (ada|bob)@example.org$/m,
      /^the tray saw 9 events$/m,
      /billing: parked since \d\d:\d\d UTC behind message \d+ \(DoNotRetry: the card was stolen\); 1 behind it/m,
      /^7 settled 1 parked \d+ \[ 'billing-1' \]$/m,
      /^parked o-2 DoNotRetry: the card was stolen after 1, 1 behind it$/m,
      /^\[ 'paid', 'shipped' \]$/m,
      /^billing-1 redrove o-2: the bank is back$/m,
      /^shipped o-2$/m,
      /^0 lanes are blocked$/m,
      /^refused: \[ 'cents' \]$/m,
      /^\[ 'SCHEMA_FAILED' \]$/m,
    ],
    "docs/api.md/metrics.ts": [/^2 1\n$/],
    "docs/api.md/deno.ts": [/^o-1 0\n$/],
    "docs/testing.md/main.ts": [/^20 seeds passed, with crashes\n$/],
    "docs/testing.md/check.ts": [/^false P1\n$/],
    "docs/testing.md/clock.ts": [/^an hour later 3600000\n$/],
  };
  const programs = all.flatMap(({ path, modules }) =>
    modules.filter(({ runs }) => runs).map(({ name }) => ({ path: `${path}/${name}`, name })),
  );
  it.for(programs)("$path runs and ends by itself", { concurrent: true }, async ({ path, name }, context) => {
    const env = { PORT: "0" };
    const { status, stdout, stderr } =
      name === "deno.ts"
        ? await runDeno(join(project, path), project)
        : await runNode(join(project, "out", path.replace(/\.ts$/, ".js")), emptyFolder(path), env);
    context.expect(stderr).toBe("");
    for (const line of said[path] ?? []) context.expect(stdout).toMatch(line);
    context.expect(status).toBe(0);
  });
  it("the guide's program runs the same with its system over WebSocket", async () => {
    const main = join(project, "out/docs/api.md/main.js");
    const { status, stdout, stderr } = await runNode(main, emptyFolder("over-ws"), { PORT: "0", WS: "1" });
    expect(stderr).toBe("");
    for (const line of said["docs/api.md/main.ts"] ?? []) expect(stdout).toMatch(line);
    expect(status).toBe(0);
  });
});
