// Programs of this package's `test` folder as processes. They run from dist: `npm test` builds first.
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Program } from "@seriatim/rig";

const folders: string[] = [];
export function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "seriatim-lmdb-"));
  folders.push(path);
  return path;
}
/** Removes all that `folder` made. */
export function removeFolders(): void {
  for (const path of folders.splice(0)) rmSync(path, { recursive: true, force: true });
}

/** @param umask of the process, such as "022"; else that of this one */
export function start(name: string, args: readonly string[], umask?: string): Program {
  const program = fileURLToPath(new URL(`../test/${name}`, import.meta.url));
  if (umask === undefined) return new Program(process.execPath, [program, ...args]);
  return new Program("sh", ["-c", 'umask "$0"; exec "$@"', umask, process.execPath, program, ...args]);
}

/** What became of a data folder when a process opened it and read everything. */
export interface Found {
  /** It ended the process. */
  readonly signal?: NodeJS.Signals;
  readonly opened?: boolean;
  readonly ownerEpoch?: number;
  /** Of all there is. */
  readonly hash?: string;
  readonly code?: string;
  readonly message?: string;
}
/**
 * Opens and reads each folder, in as few processes as survive it.
 * With `hangMs`, one that tells nothing for so long counts as ended, too.
 */
export async function readAll(
  paths: readonly string[],
  logs: readonly string[],
  check: "quick" | "full" | "use" = "quick",
  hangMs = Number.POSITIVE_INFINITY,
): Promise<Found[]> {
  const found: Found[] = [];
  while (found.length < paths.length) {
    const run = start("reading-process.mjs", [logs.join(","), check, ...paths.slice(found.length)]);
    const watch = Number.isFinite(hangMs) ? killWhenSilent(run, hangMs) : undefined;
    const { status, signal } = await run.ended;
    clearInterval(watch);
    found.push(...run.lines.map((line) => JSON.parse(line) as Found));
    if (found.length === paths.length) break;
    if (signal === null) throw new Error(`the reading process ended with ${status}; is dist built?`);
    found.push({ signal });
  }
  return found;
}
function killWhenSilent(run: Program, hangMs: number): NodeJS.Timeout {
  let told = 0;
  return setInterval(() => {
    if (run.lines.length === told) run.kill();
    told = run.lines.length;
  }, hangMs);
}
/** Its journals. */
export const journalsIn = (path: string): string[] => readdirSync(path).filter((name) => name.startsWith("journal-"));
