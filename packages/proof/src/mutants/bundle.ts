import { readFileSync } from "node:fs";
import { join } from "node:path";
import { build, type Plugin } from "vite";
import { type Mutant, mutate } from "./mutant.ts";

const ACTORS = "packages/actors/src";
const SIMULATION = "packages/testing/src/simulation/index.ts";
const DOOR = /^@seriatim\/actors\/(\w+)$/;
const ENTRY = "mutants:entry";
const SWITCH = "mutants:switch";
/** Of a source: as it is, or with the bug that is named behind it. */
const VERSION = "?mutant=";

/**
 * Bundles the simulation, and with it the whole product, into one file in `folder`,
 * with every mutant's bug in it, none switched on. Beside what the simulation exports
 * there is `putIn`, which switches to one mutant's bug, or none. Returns the file.
 */
export async function bundleMutants(root: string, mutants: readonly Mutant[], folder: string): Promise<string> {
  const sources = join(root, ACTORS).replaceAll("\\", "/");
  const byFile = new Map<string, Mutant[]>();
  for (const mutant of mutants) {
    const file = `${sources}/${mutant.file}`;
    byFile.set(file, [...(byFile.get(file) ?? []), mutant]);
  }
  const missing = new Set(byFile.keys());
  const plugin: Plugin = {
    name: "mutants",
    enforce: "pre",
    resolveId(id) {
      const [, door] = DOOR.exec(id) ?? [];
      if (door !== undefined) return `${sources}/${door}.ts`;
      return id.endsWith(ENTRY) ? `\0${ENTRY}` : id === SWITCH ? `\0${SWITCH}` : null;
    },
    async load(id) {
      if (id === `\0${ENTRY}`)
        return `export * from ${JSON.stringify(join(root, SIMULATION))};\nexport { putIn } from "${SWITCH}";\n`;
      if (id === `\0${SWITCH}`) return SWITCH_SOURCE;
      const [file = "", version] = id.split(VERSION);
      const own = byFile.get(file);
      if (own === undefined) return null;
      missing.delete(file);
      if (version === undefined) {
        const { exports } = await this.load({ id: `${file}${VERSION}` });
        return choiceOf(file, own, exports);
      }
      const source = readFileSync(file, "utf8");
      const mutant = own.find(({ name }) => name === version);
      return mutant === undefined ? source : mutate(mutant, source);
    },
  };
  await build({
    root,
    configFile: false,
    logLevel: "error",
    publicDir: false,
    plugins: [plugin],
    build: {
      ssr: ENTRY,
      outDir: folder,
      emptyOutDir: false,
      minify: false,
      target: "node20",
      reportCompressedSize: false,
      rolldownOptions: { output: { entryFileNames: "mutants.mjs" } },
    },
    ssr: { noExternal: true, target: "node" },
  });
  if (missing.size > 0) throw new Error(`the simulation does not use ${[...missing].join(", ")}`);
  return join(folder, "mutants.mjs");
}

const SWITCH_SOURCE = `const choices = [];
export const choice = (choose) => void choices.push(choose);
export const putIn = (name) => { for (const choose of choices) choose(name); };
`;

/** Stands for a source in the bundle: whoever imports it gets what the version now switched on exports. */
function choiceOf(file: string, mutants: readonly Mutant[], exports: readonly string[]): string {
  const names = ["", ...mutants.map(({ name }) => name)];
  const lines = [
    `import { choice } from "${SWITCH}";`,
    ...names.map((name, at) => `import * as v${at} from ${JSON.stringify(`${file}${VERSION}${name}`)};`),
    ...exports.map((name) => `export let ${name} = v0.${name};`),
    `const versions = new Map([${names.map((name, at) => `[${JSON.stringify(name)}, v${at}]`).join(", ")}]);`,
    "choice((name) => {",
    "  const version = versions.get(name) ?? v0;",
    ...exports.map((name) => `  ${name} = version.${name};`),
    "});",
  ];
  return `${lines.join("\n")}\n`;
}
