// Who may reach the data: its owner alone.
// What is open to more, of before or by accident, is tightened where this process may; what stays open is told.
import { chmodSync, lstatSync, readdirSync, type Stats, statSync } from "node:fs";
import { join } from "node:path";
import { FILE_MODE, FOLDER_MODE } from "./data-folder.ts";

type Warn = (text: string, data: object) => void;

const OURS =
  /^(data\.mdb|lock\.mdb|store\.json(\.new)?|check-everything(\.new)?|journal-\d+-\d+\.[01](\.new)?|in-use.*)$/;
/** What a file system has of itself at its top. */
const SYSTEMS = /^(lost\+found|\.snapshot|\.Trash.*)$/;
/** Rights of group and others. */
const WIDER = 0o077;
const STICKY = 0o1000;

/**
 * Our files get 0600, and the folder 0700 unless it holds other files too, or is one that a machine
 * shares. Never fails: what it cannot change (the owner is another one, the file system knows no
 * rights) it warns of. Windows has other rights, which a folder inherits: nothing happens there.
 */
export function keepPrivate(folder: string, warn: Warn): void {
  if (process.platform === "win32") return;
  const names = readdirSync(folder);
  const open = names.filter((name) => OURS.test(name) && isOpen(tightened(join(folder, name), FILE_MODE)));
  const found = statSync(folder);
  const isShared = (found.mode & STICKY) !== 0 || names.some((name) => !OURS.test(name) && !SYSTEMS.test(name));
  const { mode, uid } = (isShared ? undefined : tightened(folder, FOLDER_MODE)) ?? found;
  if (open.length > 0 || isOpen({ mode, uid }))
    warn(
      `the data folder "${folder}" is not its owner's alone: other users may reach what is stored. Give it to the user that runs the broker (chown -R), keep nothing else in it, and set its mode to 700`,
      { path: folder, mode: (mode & 0o7777).toString(8), owner: uid, files: open },
    );
}
type Rights = Pick<Stats, "mode" | "uid">;
/** Of another user, who is not the system's, or with rights for others. */
const isOpen = (found: Rights | undefined): boolean =>
  found !== undefined && ((found.mode & WIDER) !== 0 || isOthers(found.uid));
const isOthers = (uid: number): boolean => uid !== 0 && uid !== process.geteuid?.();

/** Its rights now; `undefined` if it is not there any more. A link of somebody else is not followed. */
function tightened(path: string, to: number): Rights | undefined {
  const link = lstatSync(path, { throwIfNoEntry: false });
  if (link === undefined || isOthers(link.uid)) return link;
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined || (found.mode & WIDER) === 0) return found;
  try {
    chmodSync(path, (found.mode & ~0o777) | to);
  } catch {
    return found;
  }
  return statSync(path, { throwIfNoEntry: false });
}
