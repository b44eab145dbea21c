// Who owns the data (rule 7): one record, versioned with the owner's epoch, that every transaction depends on.
import { MessagingError, type Runtime } from "@seriatim/actors";
import { inodeOf } from "./data-folder.ts";
import { textKey } from "./encoding.ts";
import type { Environment } from "./environment.ts";
import { damaged, ownerLost } from "./errors.ts";
import { decodePassport, encodePassport, FORMAT, type Passport } from "./passport.ts";
import { checkSeal, type JournalMark, NO_JOURNAL_YET, putSeal } from "./seal.ts";

const OWNER_KEY = textKey("owner");

/**
 * Raises the ownership epoch, on the disk when this returns, and finds or makes the data's id.
 * @param digest of all logs and records that were found
 * @throws STORE_DAMAGED
 */
export function takeOwnership(
  env: Environment,
  passport: Passport | undefined,
  digest: number,
  runtime: Runtime,
): { id: string; epoch: number; mark: JournalMark } {
  return env.root.transactionSync(() => {
    const found = env.owner.getEntry(OWNER_KEY);
    if (found === undefined) {
      if (passport !== undefined || digest !== 0) throw damaged("its owner's record is missing");
      const id = runtime.id();
      void env.owner.put(OWNER_KEY, Buffer.from(encodePassport(id)), 1);
      putSeal(env, 1, digest, NO_JOURNAL_YET);
      return { id, epoch: 1, mark: NO_JOURNAL_YET };
    }
    const { format, id } = decodePassport(found.value.toString(), "its owner's record");
    if (format !== FORMAT)
      throw new MessagingError("STORE_FAILED", `the data has format ${format}, this version reads ${FORMAT}`);
    if (passport !== undefined && passport.id !== id)
      throw damaged("the data file is not the one that belongs here", { expected: passport.id, found: id });
    const mark = checkSeal(env, found.version, digest);
    const epoch = (found.version ?? 0) + 1;
    void env.owner.put(OWNER_KEY, found.value, epoch);
    putSeal(env, epoch, digest, mark);
    return { id, epoch, mark };
  });
}

/** The owner's epoch as the data has it; `undefined` if it has none. */
export const storedEpoch = (env: Environment): number | undefined => env.owner.getEntry(OWNER_KEY)?.version;

/** Writes everything in one transaction, under the condition, which lmdb checks inside of it, that the owner's epoch is still this; else nothing. */
export function writeAsOwner(env: Environment, epoch: number, write: () => void): Promise<boolean> {
  const written = env.owner.ifVersion(OWNER_KEY, epoch, write);
  env.root.batch(() => {}).catch(() => {}); // lmdb-js starts a transaction at the second request for one, else only in the next turn of the event loop
  return written;
}

/** @throws STORE_IN_USE when the data on the disk has another owner */
export function checkEpoch(env: Environment, folder: string, epoch: number): void {
  env.root.resetReadTxn();
  const current = storedEpoch(env);
  if (current !== epoch) throw ownerLost(folder, epoch, current);
}
/** @throws STORE_IN_USE when the data on the disk has another owner, or lies in another file */
export function verifyOwner(env: Environment, folder: string, epoch: number): void {
  checkEpoch(env, folder, epoch);
  if (inodeOf(folder) !== env.inode) throw ownerLost(folder, epoch, "another data file");
}
