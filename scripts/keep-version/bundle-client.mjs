// Bundles a version's client and its WebSocket transport, with all they need, into one file, and the licenses of what is in it into another.
// node bundle-client.mjs <file>     runs inside a built checkout of that version.
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { build } from "vite";

const file = resolve(process.argv[2] ?? "");
const ENTRY = "kept:client";
/** Folders of the packages in the bundle. @type {Set<string>} */
const packages = new Set();

await build({
  configFile: false,
  logLevel: "error",
  publicDir: false,
  plugins: [
    {
      name: "kept",
      enforce: "pre",
      resolveId: (id) => (id.endsWith(ENTRY) ? `\0${ENTRY}` : null),
      load: (id) =>
        id === `\0${ENTRY}`
          ? 'export * from "@seriatim/actors/client";\nexport { wsClientTransport } from "@seriatim/transport-ws/client";\n'
          : null,
      generateBundle(_, bundle) {
        for (const chunk of Object.values(bundle))
          for (const id of chunk.type === "chunk" ? chunk.moduleIds : []) {
            const inside = id.replaceAll("\\", "/").lastIndexOf("/node_modules/");
            const [name = "", second = ""] = inside < 0 ? [] : id.slice(inside + 14).split("/");
            if (name !== "")
              packages.add(join(id.slice(0, inside + 14), name.startsWith("@") ? `${name}/${second}` : name));
          }
      },
    },
  ],
  build: {
    ssr: ENTRY,
    outDir: dirname(file),
    emptyOutDir: false,
    minify: true,
    target: "node20",
    reportCompressedSize: false,
    rolldownOptions: { output: { entryFileNames: basename(file), codeSplitting: false } },
  },
  // what is optional and native stays out: `ws` and `msgpackr` do without
  ssr: { noExternal: true, external: ["bufferutil", "utf-8-validate", "msgpackr-extract"], target: "node" },
});

const licenses = [...packages].sort().map((folder) => {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const text = readdirSync(folder).find((found) => /^licen[cs]e/i.test(found));
  return `${name} ${version} (${license})\n\n${text === undefined ? "" : readFileSync(join(folder, text), "utf8").trim()}\n`;
});
if (existsSync(file)) writeFileSync(`${file}.LICENSES`, licenses.join(`\n${"-".repeat(80)}\n\n`));
