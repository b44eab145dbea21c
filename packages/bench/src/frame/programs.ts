import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

/** A server program, and the Debian package that has it. */
export interface Program {
  readonly name: string;
  readonly debianPackage: string;
}
/** Places of servers that are often not on a user's PATH. */
const FURTHER_FOLDERS = ["/usr/lib/rabbitmq/bin", "/usr/sbin", "/usr/local/sbin"];

/** @returns its path, or undefined when it is not installed */
export function find(program: Program): string | undefined {
  // Debian's rabbitmq-server on PATH is a wrapper that changes users; the program itself is preferred.
  const folders = [FURTHER_FOLDERS[0]!, ...(process.env["PATH"] ?? "").split(delimiter), ...FURTHER_FOLDERS];
  return folders
    .filter((folder) => folder !== "")
    .map((folder) => join(folder, program.name))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}
