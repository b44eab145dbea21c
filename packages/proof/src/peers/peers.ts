import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** Tells vitest.peers.config.ts in which folder the peers are installed. */
export const PEERS_VARIABLE = "SERIATIM_PEERS";

export interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly private?: boolean;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
}
const manifestIn = (folder: string): Manifest => JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));

/** The packages that users install, by their folders. */
export function publishedPackages(root: string): ReadonlyMap<string, Manifest> {
  const folders = readdirSync(join(root, "packages")).map((name) => join(root, "packages", name));
  const all = folders.map((folder) => [folder, manifestIn(folder)] as const);
  return new Map(all.filter(([, manifest]) => manifest.private !== true));
}
/** What users have too, and which versions of it go with ours: name and range. */
export const peerRanges = (root: string): Readonly<Record<string, string>> =>
  manifestIn(join(root, "packages/actors")).peerDependencies ?? {};

/** Of a range such as `^7.5.5` or `>=5.19.0 <=5.33.3`. */
export const oldestOf = (range: string): string => /\d+\.\d+\.\d+/.exec(range)?.[0] ?? range;
/** What this repository has installed. */
export const installedVersion = (root: string, name: string): string =>
  manifestIn(join(root, "node_modules", name)).version;
