// Keeps what a version leaves behind, for the tests of all versions that follow: a data folder it wrote and its client, under test/kept/<name>.
// usage: npm run keep-version -- <commit> [name]     the version's commit; the name is its version and commit, unless one is given
import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const root = fileURLToPath(new URL("../", import.meta.url));
const [commit, given] = process.argv.slice(2);
if (commit === undefined)
  throw new Error("which version? usage: npm run keep-version -- <commit or tag of a released version> [name]");
const git = (/** @type {string[]} */ ...args) => execFileSync("git", args, { cwd: root, maxBuffer: 2 ** 30 });
const hash = git("rev-parse", `${commit}^{commit}`).toString().trim();

const base = mkdtempSync(join(tmpdir(), "seriatim-keep-"));
const checkout = join(base, "checkout");
const folder = join(base, "folder");
/** @param {string} command @param {string[]} args */
const run = (command, args) =>
  execFileSync(command, args, {
    cwd: checkout,
    stdio: ["ignore", "inherit", "inherit"],
    shell: process.platform === "win32",
  });
try {
  mkdirSync(checkout);
  execFileSync("tar", ["x", "-C", checkout], { input: git("archive", hash) });
  const { version } = JSON.parse(readFileSync(join(checkout, "packages/actors/package.json"), "utf8"));
  const name = given ?? `${version}-${hash.slice(0, 7)}`;
  const kept = join(root, "test/kept", name);
  if (existsSync(kept)) throw new Error(`test/kept/${name} is there already: what is kept is never made again`);
  run("npm", ["ci", "--no-audit", "--no-fund"]);
  run("npm", ["run", "--silent", "build"]);
  const programs = join(checkout, "scripts/keep-version");
  cpSync(join(root, "scripts/keep-version"), programs, { recursive: true });

  mkdirSync(folder);
  const manifest = join(base, "manifest.json");
  const { signal } = spawnSync(process.execPath, [join(programs, "write-folder.mjs"), folder, manifest], {
    cwd: checkout,
    stdio: ["ignore", "inherit", "inherit"],
  });
  if (signal !== "SIGKILL") throw new Error("the folder was not written to its end");
  const client = join(base, "client.mjs");
  run(process.execPath, [join(programs, "bundle-client.mjs"), client]);

  mkdirSync(kept, { recursive: true });
  writeFileSync(
    join(kept, "manifest.json"),
    `${JSON.stringify({ version, commit: hash, ...JSON.parse(readFileSync(manifest, "utf8")) }, undefined, 1)}\n`,
  );
  for (const file of readdirSync(folder))
    if (/^(data\.mdb|store\.json|journal-\d+-\d+\.[01])$/.test(file))
      writeFileSync(join(kept, `${file}.gz`), gzipSync(readFileSync(join(folder, file)), { level: 9 }));
  for (const file of ["client.mjs", "client.mjs.LICENSES"]) cpSync(join(base, file), join(kept, file));
  console.log(`kept: test/kept/${name}`);
} finally {
  rmSync(base, { recursive: true, force: true });
}
