import { execFile } from "node:child_process";
import { rmSync } from "node:fs";
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { atExit, Program } from "@seriatim/rig";

/**
 * What is measured: the packages that the programs of `ours` import.
 * All else is the harness, of which both sides get today's.
 */
const PRODUCT = [
  "@seriatim/actors",
  "@seriatim/store-lmdb",
  "@seriatim/transport-memory",
  "@seriatim/transport-ws",
] as const;
const ROOT = fileURLToPath(new URL("../../../../", import.meta.url));
const BENCH = fileURLToPath(new URL("../../", import.meta.url));
const BUILD_OUTPUT_MAX = 4_000;
const run = promisify(execFile);

export interface Sides {
  /** Program of the processes of a run, on the packages of the commit. */
  readonly before: string;
  /** The same program, on a copy of today's packages. */
  readonly after: string;
  /** Hash of the commit. */
  readonly commit: string;
  /** Hash of the commit that today's packages were built from, and whether something was changed since. */
  readonly today: string;
  /** Removes both. They are also removed when the process ends. */
  remove(): Promise<void>;
}
/**
 * Lays out two sides in a temporary folder, and builds the commit there; nothing is written to the repository.
 * Node looks for a package in the `node_modules` of every folder above, so each side finds
 * our packages beside it and everything else one folder higher:
 *
 *     node_modules          → today's
 *     before/node_modules/@seriatim/…  → before/tree/packages/…
 *     before/tree           the commit, built; its own node_modules, where its lock file is another than today's
 *     before/bench          a copy of today's bench
 *     after/…               the same with a copy of today's packages, which a build in between does not change
 *
 * @throws Error when git does not know the commit, the commit has not all the packages, or it does not build
 */
export async function openSides(commitish: string, tell: (line: string) => void): Promise<Sides> {
  const commit = await commitOf(commitish);
  const changed = (await git("status", "--porcelain", "--untracked-files=no", "--", "packages")) !== "";
  const today = `${await commitOf("HEAD")}${changed ? " with changes" : ""}`;
  const folder = await mkdtemp(join(tmpdir(), "seriatim-against-"));
  const removed = { recursive: true, force: true, maxRetries: 5 };
  const release = atExit(() => rmSync(folder, removed));
  const remove = async (): Promise<void> => {
    await rm(folder, removed);
    release();
  };
  try {
    await symlink(join(ROOT, "node_modules"), join(folder, "node_modules"));
    const [before, after] = [join(folder, "before"), join(folder, "after")];
    tell(`checking out and building ${commit.slice(0, 10)} aside`);
    await checkOut(commit, join(before, "tree"), join(folder, "index"));
    const sameLock = (await lockOf(ROOT)) === (await lockOf(join(before, "tree")));
    if (!sameLock) await npm(join(before, "tree"), "ci", "--ignore-scripts", "--no-audit", "--no-fund");
    await equip(before, sameLock);
    await npm(join(before, "tree"), "run", "build", ...PRODUCT.flatMap((name) => ["--workspace", name]));
    await copyBuilt(join(after, "tree"));
    await equip(after, true);
    return { before: programOf(before), after: programOf(after), commit, today, remove };
  } catch (error) {
    await remove();
    throw error;
  }
}
const programOf = (side: string): string => join(side, "bench", "dist", "role.js");
const lockOf = (root: string): Promise<string> => readFile(join(root, "package-lock.json"), "utf8");

const git = async (...args: readonly string[]): Promise<string> =>
  (await run("git", [...args], { cwd: ROOT })).stdout.trim();
async function commitOf(commitish: string): Promise<string> {
  try {
    return await git("rev-parse", "--verify", "--end-of-options", `${commitish}^{commit}`);
  } catch (cause) {
    throw new Error(`--against: expected a commit of this repository, found "${commitish}"`, { cause });
  }
}
/** Through an index of its own, so that no work tree is registered that would have to be taken back. */
async function checkOut(commit: string, tree: string, index: string): Promise<void> {
  const options = { cwd: ROOT, env: { ...process.env, GIT_INDEX_FILE: index } };
  await run("git", ["read-tree", commit], options);
  await run("git", ["checkout-index", "--all", `--prefix=${tree}/`], options);
}
/** Folders of the packages in a tree, by their names, whatever the folders are called. */
async function packagesIn(tree: string): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  for (const folder of await readdir(join(tree, "packages"))) {
    const text = await readFile(join(tree, "packages", folder, "package.json"), "utf8").catch(() => undefined);
    if (text !== undefined) found.set((JSON.parse(text) as { readonly name: string }).name, folder);
  }
  const absent = PRODUCT.filter((name) => !found.has(name));
  if (absent.length > 0)
    throw new Error(`the bench runs on ${PRODUCT.join(", ")}; that commit has no ${absent.join(", ")}`);
  return found;
}
/**
 * Lets the side's processes find its packages, and gives it the harness.
 * @param borrows today's dependencies, also those that lie in folders of packages
 */
async function equip(side: string, borrows: boolean): Promise<void> {
  const tree = join(side, "tree");
  const packages = await packagesIn(tree);
  await mkdir(join(side, "node_modules", "@seriatim"), { recursive: true });
  for (const name of PRODUCT) {
    const folder = join(tree, "packages", packages.get(name)!);
    await symlink(folder, join(side, "node_modules", name));
    if (borrows) await linkDependencies(join(ROOT, "packages", packages.get(name)!), folder);
  }
  const bench = join(side, "bench");
  await mkdir(bench);
  await cp(join(BENCH, "dist"), join(bench, "dist"), { recursive: true });
  await cp(join(BENCH, "package.json"), join(bench, "package.json"));
  await linkDependencies(BENCH, bench);
}
async function linkDependencies(from: string, to: string): Promise<void> {
  const own = join(from, "node_modules");
  const there = await readdir(own).catch(() => []);
  if (there.length > 0) await symlink(own, join(to, "node_modules"));
}
/** What a package is at run time: its description and what was built. */
async function copyBuilt(tree: string): Promise<void> {
  const packages = await packagesIn(ROOT);
  for (const name of PRODUCT) {
    const [from, to] = [ROOT, tree].map((root) => join(root, "packages", packages.get(name)!)) as [string, string];
    await mkdir(to, { recursive: true });
    await cp(join(from, "package.json"), join(to, "package.json"));
    await cp(join(from, "dist"), join(to, "dist"), { recursive: true });
  }
}
/** Runs npm in a process group of its own, which ends with this process. @throws with what it said when it fails */
async function npm(cwd: string, ...args: readonly string[]): Promise<void> {
  // What npm tells the scripts it runs is about this repository.
  const told = Object.keys(process.env).filter((name) => name.startsWith("npm_"));
  const env = Object.fromEntries(told.map((name) => [name, undefined]));
  const program = new Program("npm", args, { cwd, env, ownGroup: true });
  const { status } = await program.ended;
  program.kill(); // what it started and did not wait for
  const said = program.said.slice(-BUILD_OUTPUT_MAX);
  if (status !== 0) throw new Error(`npm ${args.slice(0, 2).join(" ")} of that commit ended with ${status}:\n${said}`);
}
