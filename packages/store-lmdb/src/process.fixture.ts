// Programs of this package's `test` folder as processes. They run from dist: `npm test` builds first.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

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

export interface Run {
  readonly process: ChildProcess;
  /** What it told on stdout. */
  readonly lines: string[];
  /** Its first line. */
  readonly opened: Promise<string>;
  /** Resolves once it has told so many lines: how far it has come, whatever the time that took. */
  told(lines: number): Promise<void>;
  readonly ended: Promise<NodeJS.Signals | number | null>;
}
/** @param umask of the process, such as "022"; else that of this one */
export function start(name: string, args: readonly string[], umask?: string): Run {
  const program = fileURLToPath(new URL(`../test/${name}`, import.meta.url));
  const command = [process.execPath, program, ...args];
  const child =
    umask === undefined
      ? spawn(process.execPath, command.slice(1), { stdio: ["ignore", "pipe", "ignore"] })
      : spawn("sh", ["-c", 'umask "$0"; exec "$@"', umask, ...command], { stdio: ["ignore", "pipe", "ignore"] });
  const lines: string[] = [];
  let rest = "";
  const opened = new Promise<string>((resolve, reject) => {
    child.stdout.on("data", (chunk: Buffer) => {
      const parts = (rest + chunk.toString()).split("\n");
      rest = parts.pop() ?? "";
      lines.push(...parts);
      if (lines[0] !== undefined) resolve(lines[0]);
    });
    child.once("close", () => reject(new Error("ended without a word; is dist built?")));
  });
  opened.catch(() => {});
  const ended = new Promise<NodeJS.Signals | number | null>((resolve) =>
    child.once("close", (code, signal) => resolve(signal ?? code)),
  );
  const told = async (count: number): Promise<void> => {
    while (lines.length < count) await Promise.race([once(child.stdout, "data"), ended.then(() => failTold(count))]);
  };
  const failTold = (count: number): never => {
    throw new Error(`ended after ${lines.length} lines, before it had told ${count}`);
  };
  return { process: child, lines, opened, told, ended };
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
/** Opens and reads each folder, in as few processes as survive it. With `hangMs`, one that tells nothing for so long counts as ended, too. */
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
    const ended = await run.ended;
    clearInterval(watch);
    found.push(...run.lines.map((line) => JSON.parse(line) as Found));
    if (found.length === paths.length) break;
    if (typeof ended !== "string") throw new Error(`the reading process ended with ${ended}; is dist built?`);
    found.push({ signal: ended });
  }
  return found;
}
function killWhenSilent({ process, lines }: Run, hangMs: number): NodeJS.Timeout {
  let told = 0;
  return setInterval(() => {
    if (lines.length === told) process.kill("SIGKILL");
    told = lines.length;
  }, hangMs);
}
/** Its journals. */
export const journalsIn = (path: string): string[] => readdirSync(path).filter((name) => name.startsWith("journal-"));
