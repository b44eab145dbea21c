import { execFileSync } from "node:child_process";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";

/** Where figures come from. */
export interface Provenance {
  readonly node: string;
  readonly cores: number;
  /** ISO, UTC. */
  readonly date: string;
  /** What was checked out, and whether anything was changed since; `null` where git cannot say. */
  readonly commit: string | null;
}
const PACKAGE = fileURLToPath(new URL("..", import.meta.url));

const git = (...args: readonly string[]): string =>
  execFileSync("git", args, {
    cwd: PACKAGE,
    encoding: "utf8",
    env: { ...process.env, GIT_OPTIONAL_LOCKS: "0" },
    stdio: ["ignore", "pipe", "ignore"],
  }).trim();

/** To be taken when a run begins: the sources may move on while it lasts. */
export function provenance(): Provenance {
  return { node: process.version, cores: availableParallelism(), date: new Date().toISOString(), commit: commit() };
}
function commit(): string | null {
  try {
    const changed = git(
      "status",
      "--porcelain",
      "--untracked-files=no",
      "--",
      ":/packages",
      ":!/packages/proof/results",
    );
    return `${git("rev-parse", "--short", "HEAD")}${changed === "" ? "" : " with changes"}`;
  } catch {
    return null;
  }
}
