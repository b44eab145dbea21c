// What goes wrong here, as errors with codes; and what lmdb says, in those words.
import { MessagingError } from "@seriatim/actors";

export const damaged = (what: string, data: Readonly<Record<string, unknown>> = {}, cause?: unknown): MessagingError =>
  new MessagingError(
    "STORE_DAMAGED",
    `the stored data is damaged: ${what}${Object.keys(data).length > 0 ? ` ${JSON.stringify(data)}` : ""}`,
    { data, cause },
  );
export const closed = () => new MessagingError("CLOSED", "the store is closed");
export const ownerLost = (folder: string, presented: number, current: unknown) =>
  new MessagingError(
    "STORE_IN_USE",
    `the data folder "${folder}" has another owner now: owner epoch ${presented} has ended`,
    { data: { path: folder, presented, current: current ?? null } },
  );

/** What lmdb says when the file does not hold what it should. */
const DAMAGE: readonly unknown[] = [
  -30797, // page not found
  -30796, // corrupted
  -30794, // version mismatch
  -30793, // invalid
  -30787, // cursor stack full: a branch page leads back to itself
  -30784, // incompatible: all tables are opened the way they were made
  -30782, // bad transaction: what a read becomes on a page that makes no sense
  -30779, // problem
];
/** lmdb-js, without a code, about a key in a page that is longer than any key can be. */
const KEY_TOO_LONG = /^Invalid key size /;
/** `STORE_DAMAGED` when what was said shows that the file is not what it was, else `STORE_FAILED`. */
export function lmdbError(error: unknown, doing: string): MessagingError {
  if (error instanceof MessagingError) return error;
  const { code, message } = error as { code?: unknown; message?: string };
  if (DAMAGE.includes(code) || (code === undefined && KEY_TOO_LONG.test(message ?? "")))
    return damaged(message ?? "", {}, error);
  return new MessagingError("STORE_FAILED", `${doing}: ${message ?? String(error)}`, { cause: error });
}
/** A failed commit of lmdb-js carries what really happened as a promise that rejects. */
export async function causeOf(error: unknown): Promise<unknown> {
  const { commitError } = error as { commitError?: Promise<unknown> };
  if (commitError === undefined) return error;
  return commitError.then(
    () => error,
    (reason: unknown) => reason,
  );
}
