import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** What seeds and the order of mutants are drawn from. */
export interface DrawSource {
  /** Twelve characters: enough to tell commits apart, and short enough to be typed. */
  readonly hash: string;
  /** For people: where the hash comes from. */
  readonly of: string;
}
const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const SOURCE = /^packages\/[^/]+\/src\/.*\.ts$/;

const HASH_LENGTH = 12;

/**
 * A hash that is given; else that of the commit that is checked out;
 * where git cannot say (no history, no git), one over the sources of all packages.
 */
export function drawSource(given: string | null = null, root = ROOT): DrawSource {
  if (given !== null) return { hash: given.slice(0, HASH_LENGTH), of: given.slice(0, HASH_LENGTH) };
  const commit = commitOf(root)?.slice(0, HASH_LENGTH);
  return commit === undefined
    ? { hash: hashOfSources(root).slice(0, HASH_LENGTH), of: "the sources (git cannot say the commit)" }
    : { hash: commit, of: `commit ${commit}` };
}

function commitOf(root: string): string | null {
  try {
    const said = execFileSync("git", ["rev-parse", "HEAD"], {
      cwd: root,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
    return /^[0-9a-f]{40,64}$/.exec(said.trim())?.[0] ?? null;
  } catch {
    return null;
  }
}
function hashOfSources(root: string): string {
  const hash = createHash("sha1");
  const packages = readdirSync(join(root, "packages")).map((name) => `packages/${name}/src`);
  const files = packages.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: "utf8" }).map((name) =>
      `${folder}/${name}`.replaceAll("\\", "/"),
    ),
  );
  for (const file of files.filter((name) => SOURCE.test(name)).sort())
    hash.update(`${file}\n`).update(readFileSync(join(root, file)));
  return hash.digest("hex");
}
