import { join } from "node:path";
import { build } from "vite";
import { type Mutant, mutate } from "./mutant.ts";

const ACTORS = "packages/actors/src";
const ENTRY = "testing/simulation/index.ts";

/** Bundles the simulation, and with it the whole product, into one file of its own in `folder`; with the mutant's bug in it, or (`null`) as it is. Returns the file. */
export async function bundleSimulation(root: string, mutant: Mutant | null, folder: string): Promise<string> {
  const name = `${mutant?.name ?? "unchanged"}.mjs`;
  const sources = join(root, ACTORS);
  let applied = mutant === null;
  await build({
    root,
    configFile: false,
    logLevel: "error",
    publicDir: false,
    plugins: [
      {
        name: "mutant",
        enforce: "pre",
        transform(code, id) {
          if (mutant === null || id !== join(sources, mutant.file).replaceAll("\\", "/")) return null;
          applied = true;
          return mutate(mutant, code);
        },
      },
    ],
    build: {
      ssr: join(sources, ENTRY),
      outDir: folder,
      emptyOutDir: false,
      minify: false,
      target: "node20",
      reportCompressedSize: false,
      rolldownOptions: { output: { entryFileNames: name } },
    },
    ssr: { noExternal: true, target: "node" },
  });
  if (!applied) throw new Error(`mutant "${mutant?.name}": the simulation does not use ${ACTORS}/${mutant?.file}`);
  return join(folder, name);
}
