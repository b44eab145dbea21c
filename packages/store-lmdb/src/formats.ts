// Formats of a data folder: which of them this version takes up, and how one becomes the next.
import { MessagingError } from "@seriatim/actors";
import type { Changes } from "./changes.ts";
import type { Passport } from "./passport.ts";
import type { StoreData } from "./store-data.ts";

/** Makes the next format of the one before. */
export interface Migration {
  /** The first version of this package that reads what it makes: told to older ones. */
  readonly since: string;
  /**
   * What to change, in parts, each written in one transaction; nothing is in the journal
   * while it runs. After a crash it is asked anew, and yields what is not done yet: so
   * it looks at what is there. What it reads for a part it has read before it yields it.
   */
  readonly parts: (data: StoreData) => Iterable<Changes>;
}
/** The oldest format that is taken up: 1 and 2 were never in a version that was released. */
export const FORMAT_OLDEST = 3;
/**
 * From each format to the next, the oldest first:
 * one is added with every new format, and none is ever taken away or changed.
 */
export const MIGRATIONS: readonly Migration[] = [
  // 4: producers' runs have records of their own, what was set aside says with which change, and names and
  // leases say whose they are. Records of before are read as they are; older versions would misread these.
  { since: "0.2.0", parts: () => [] },
];

/** The format that this version writes. */
export const newestFormat = (migrations: readonly Migration[]): number => FORMAT_OLDEST + migrations.length;
/** What says of the data that it is of a format. */
export function passportOf(id: string, format: number, migrations: readonly Migration[]): Passport {
  const since = migrations[format - FORMAT_OLDEST - 1]?.since;
  return { format, id, ...(since === undefined ? {} : { since }) };
}

/** @throws FORMAT_UNSUPPORTED for data of a format that this version cannot take up */
export function checkFormat({ format, since }: Passport, folder: string, migrations: readonly Migration[]): void {
  const newest = newestFormat(migrations);
  if (format >= FORMAT_OLDEST && format <= newest) return;
  const needed = since === undefined ? "a newer version" : `version ${since} or newer`;
  const remedy =
    format > newest
      ? `open it with ${needed} of @seriatim/store-lmdb`
      : "have its messages consumed by the version that wrote it, or move it away to begin with an empty one";
  throw new MessagingError(
    "FORMAT_UNSUPPORTED",
    `the data folder "${folder}" has format ${format}, expected one from ${FORMAT_OLDEST} to ${newest}: ${remedy}`,
    { data: { path: folder, format, oldest: FORMAT_OLDEST, newest, needs: format > newest ? (since ?? null) : null } },
  );
}
