// Removes what builds leave behind, so that no file of a renamed source stays in a dist folder.
import { readdirSync, rmSync } from "node:fs";

const root = new URL("../", import.meta.url);
const packages = readdirSync(new URL("packages/", root)).map((name) => `packages/${name}/`);
for (const folder of packages) {
  for (const leftover of ["dist", ".typecheck", ".turbo"]) {
    rmSync(new URL(folder + leftover, root), { recursive: true, force: true });
  }
}
for (const leftover of [".turbo", "coverage"]) rmSync(new URL(leftover, root), { recursive: true, force: true });
