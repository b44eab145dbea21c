// The documents' `ts` blocks as a project: type-checked, all of them together, against the built packages; then run.
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import type { Ended } from "@seriatim/rig";
import { type Document, quoted, tableOf } from "./documents.fixture.ts";
import { inRepository, run, runDeno, runNode, tsc } from "./program.fixture.ts";

const probes = [new URL("./types/modules.ts", import.meta.url), new URL("./types/topics.ts", import.meta.url)];
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
/** Without exactOptionalPropertyTypes, the packages' own declarations included. */
const LOOSE = {
  extends: "./tsconfig.json",
  compilerOptions: { noEmit: true, exactOptionalPropertyTypes: false, skipLibCheck: false },
};

/** What programs print, where that is part of what their document says. */
export const SAID: Readonly<Record<string, readonly RegExp[]>> = {
  "README.md/main.ts": [/^g1 e4 attempt 1\ng1 e5 attempt 1\ng1 Nf3 attempt 1\n$/],
  "docs/api.md/main.ts": [
    /^synced false$/m,
    /^posted to (ada|bob)@example.org$/m,
    /^the tray saw 9 events$/m,
    /billing: parked since \d\d:\d\d UTC behind message \d+ \(DoNotRetry: the card was stolen\); 1 behind it/m,
    /^7 settled 1 parked \d+ \[ 'billing-1' \]$/m,
    /^parked o-2: DoNotRetry: the card was stolen after 1, 1 behind it$/m,
    /^\[ 'paid', 'shipped' \]$/m,
    /^billing-1 redrove o-2: the bank is back$/m,
    /^shipped o-2$/m,
    /^0 lanes are blocked$/m,
    /^refused: \[ 'cents' \]$/m,
    /^\[ 'SCHEMA_FAILED' \]$/m,
  ],
  "docs/api.md/brokers.ts": [/^audit 1 orders \d\n$/],
  "docs/api.md/transports.ts": [/^memory o-1 placed\n$/],
  "docs/api.md/metrics.ts": [/^2 1\n$/],
  "docs/api.md/deno.ts": [/^o-1 0\n$/],
  "docs/testing.md/main.ts": [/^20 seeds passed, with crashes\n$/],
  "docs/testing.md/check.ts": [/^false P1\n$/],
  "docs/testing.md/clock.ts": [/^an hour later 3600000\n$/],
};

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

export class DocumentsProject implements Disposable {
  readonly #folder = realpathSync(mkdtempSync(join(tmpdir(), "seriatim-documents-")));

  constructor(documents: readonly Document[]) {
    symlinkSync(inRepository("node_modules"), join(this.#folder, "node_modules"), "junction");
    this.#write("package.json", JSON.stringify({ type: "module", private: true }));
    for (const { path, modules } of documents)
      for (const { name, text } of modules) this.#write(`${path}/${name}`, text);
    for (const probe of probes) this.#write(`test/types/${basename(probe.pathname)}`, readFileSync(probe, "utf8"));
    this.#write("test/types/tables-of-the-guide.ts", tablesProbe());
    const include = [...documents.map(({ path }) => `${path}/*.ts`), "test/types/*.ts"];
    this.#write("tsconfig.json", JSON.stringify({ compilerOptions, include }));
    this.#write("tsconfig.loose.json", JSON.stringify({ ...LOOSE, include }));
  }
  /** Its status and what it printed: nothing when all is well. `strict` also writes what `runs` needs. */
  typeCheck(how: "strict" | "loose"): Promise<Ended> {
    const config = how === "strict" ? "tsconfig.json" : "tsconfig.loose.json";
    return run(process.execPath, [tsc, "-p", config], { cwd: this.#folder });
  }
  /** Runs one module of a document, in an empty folder of its own. */
  runs(path: string, env: NodeJS.ProcessEnv = {}): Promise<Ended> {
    if (path.endsWith("/deno.ts")) return runDeno(join(this.#folder, path), this.#folder);
    const folder = join(this.#folder, "runs", `${path} ${Object.keys(env).join(" ")}`);
    mkdirSync(folder, { recursive: true });
    return runNode(join(this.#folder, "out", path.replace(/\.ts$/, ".js")), folder, { PORT: "0", ...env });
  }
  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #write(path: string, text: string): void {
    mkdirSync(dirname(join(this.#folder, path)), { recursive: true });
    writeFileSync(join(this.#folder, path), text);
  }
}
