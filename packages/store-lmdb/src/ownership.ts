// Who owns the data (rule 7): one record, versioned with the owner's epoch, that every transaction depends on.
import type { Runtime } from "@seriatim/actors";
import { inodeOf } from "./data-folder.ts";
import { textKey } from "./encoding.ts";
import type { Environment } from "./environment.ts";
import { damaged, ownerLost } from "./errors.ts";
import { decodePassport, encodePassport, type Passport } from "./passport.ts";
import { checkSeal, type JournalMark, NO_JOURNAL_YET, putSeal } from "./seal.ts";

const OWNER_KEY = textKey("owner");

/** As the data has it; `undefined` if it has none. @throws STORE_DAMAGED */
export function storedPassport(env: Environment): Passport | undefined {
  const found = env.owner.getEntry(OWNER_KEY);
  return found === undefined ? undefined : decodePassport(found.value.toString(), "its owner's record");
}
/** Within a transaction of this owner. */
export function putPassport(env: Environment, epoch: number, passport: Passport): void {
  void env.owner.put(OWNER_KEY, encodePassport(passport), epoch);
}

/**
 * Raises the ownership epoch, on the disk when this returns, and finds the data's passport, or makes one.
 * @param passport the one beside the data
 * @param digest of all logs and records that were found
 * @param newPassport of data that is new
 * @throws STORE_DAMAGED
 */
export function takeOwnership(
  env: Environment,
  passport: Passport | undefined,
  digest: number,
  runtime: Runtime,
  newPassport: (id: string) => Passport,
): { passport: Passport; epoch: number; mark: JournalMark } {
  return env.root.transactionSync(() => {
    const found = env.owner.getEntry(OWNER_KEY);
    if (found === undefined) {
      if (passport !== undefined || digest !== 0) throw damaged("its owner's record is missing");
      const made = newPassport(runtime.id());
      putPassport(env, 1, made);
      putSeal(env, 1, digest, NO_JOURNAL_YET);
      return { passport: made, epoch: 1, mark: NO_JOURNAL_YET };
    }
    const stored = storedPassport(env) as Passport;
    const { format, id } = stored;
    if (passport !== undefined && passport.id !== id)
      throw damaged("the data file is not the one that belongs here", { expected: passport.id, found: id });
    // a migration says so beside the data first, when it begins, and last, when it is done
    if (passport !== undefined && passport.format !== format && passport.from !== format)
      throw damaged("the data file is of another format than the folder", { expected: passport.format, found: format });
    const mark = checkSeal(env, found.version, digest);
    const epoch = (found.version ?? 0) + 1;
    void env.owner.put(OWNER_KEY, found.value, epoch);
    putSeal(env, epoch, digest, mark);
    return { passport: stored, epoch, mark };
  });
}

/** The owner's epoch as the data has it; `undefined` if it has none. */
export const storedEpoch = (env: Environment): number | undefined => env.owner.getEntry(OWNER_KEY)?.version;

/**
 * Writes everything in one transaction, under the condition,
 * which lmdb checks inside of it, that the owner's epoch is still this; else nothing.
 */
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
