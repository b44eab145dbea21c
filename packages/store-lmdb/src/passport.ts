// What lies beside the data file, so that it is noticed when that file is lost or another.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { writeDurably } from "./data-folder.ts";
import { damaged } from "./errors.ts";

export interface Passport {
  readonly format: number;
  readonly id: string;
}
/** The format this version writes and reads. */
export const FORMAT = 3;
const passportIn = (folder: string): string => join(folder, "store.json");

/** `undefined` if there is none. @throws STORE_DAMAGED */
export function readPassport(folder: string): Passport | undefined {
  const path = passportIn(folder);
  try {
    return decodePassport(readFileSync(path, "utf8"), path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
export function writePassport(folder: string, id: string): void {
  writeDurably(folder, passportIn(folder), `${encodePassport(id)}\n`);
}

export const encodePassport = (id: string): string => JSON.stringify({ format: FORMAT, id } satisfies Passport);
/** @throws STORE_DAMAGED */
export function decodePassport(text: string, what: string): Passport {
  try {
    const { format, id } = JSON.parse(text) as Partial<Passport>;
    if (typeof format === "number" && typeof id === "string") return { format, id };
  } catch {
    // told below
  }
  throw damaged(`${what} cannot be decoded`);
}
