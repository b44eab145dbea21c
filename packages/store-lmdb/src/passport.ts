// What lies beside the data file, so that it is noticed when that file is lost or another;
// the same, as the data file has it, says of which format the data is.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { writeDurably } from "./data-folder.ts";
import { damaged } from "./errors.ts";

export interface Passport {
  readonly format: number;
  readonly id: string;
  /** The format it is being migrated from: some of the data may be of that one still. */
  readonly from?: number;
  /** The first version of this package that reads the format; not known of the oldest. */
  readonly since?: string;
}
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
export function writePassport(folder: string, passport: Passport): void {
  writeDurably(folder, passportIn(folder), `${JSON.stringify(passport)}\n`);
}

export const encodePassport = (passport: Passport): Buffer => Buffer.from(JSON.stringify(passport));
/** @throws STORE_DAMAGED */
export function decodePassport(text: string, what: string): Passport {
  try {
    const { format, id, from, since } = JSON.parse(text) as Partial<Passport>;
    if (typeof format === "number" && typeof id === "string")
      return {
        format,
        id,
        ...(typeof from === "number" ? { from } : {}),
        ...(typeof since === "string" ? { since } : {}),
      };
  } catch {
    // told below
  }
  throw damaged(`${what} cannot be decoded`);
}
