// A way to a folder that is short enough for the address of a socket in it.
import { closeSync, mkdtempSync, openSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface ShortWay {
  readonly path: string;
  /** Once nothing more is bound or asked over it. */
  leave(): void;
}
/** The longest path a socket's address holds on every system, in bytes, less the names in a data folder. */
const BYTES_MAX = 103 - "/in-use-0123456789ab.sock".length;

/**
 * The folder itself, if its path is short enough;
 * else over an open file of this process, or over a link that only this user can follow.
 */
export function shortWayTo(folder: string, platform: NodeJS.Platform = process.platform): ShortWay {
  if (Buffer.byteLength(folder) <= BYTES_MAX) return { path: folder, leave: () => {} };
  if (platform === "linux") {
    const directory = openSync(folder, "r");
    return { path: `/proc/self/fd/${directory}`, leave: () => closeSync(directory) };
  }
  const base = mkdtempSync(join(tmpdir(), "seriatim-"));
  const path = join(base, "d");
  symlinkSync(folder, path);
  return { path, leave: () => rmSync(base, { recursive: true, force: true }) };
}
