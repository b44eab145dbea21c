// Opening the data of a folder: found whole or refused, taken into ownership,
// and what its last owner's journal holds written to lmdb.
import { statSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { MessagingError } from "@seriatim/actors";
import { costOfChanges } from "./commit-queue.ts";
import { inspectDataFile } from "./data-file.ts";
import { dataFileIn, extend, freeBytesOf, writeDurably } from "./data-folder.ts";
import { DataWriter } from "./data-writer.ts";
import { closedOnFailure, openEnvironment } from "./environment.ts";
import { damaged } from "./errors.ts";
import { checkFormat, MIGRATIONS, type Migration, newestFormat, passportOf } from "./formats.ts";
import { readJournal, removeOtherJournals } from "./journal.ts";
import { Layer } from "./layer.ts";
import { loadLogs } from "./load-logs.ts";
import { migrate } from "./migrate.ts";
import type { Settings } from "./options.ts";
import { storedPassport, takeOwnership } from "./ownership.ts";
import { type Passport, readPassport, writePassport } from "./passport.ts";
import { FREE_FLOOR, Room } from "./room.ts";
import { type OpenedFolder, type StoreData, storeData } from "./store-data.ts";

/** @throws STORE_DAMAGED, FORMAT_UNSUPPORTED (nothing was changed then), STORE_FAILED, and what lmdb throws */
export async function openFolder(
  folder: string,
  settings: Settings,
  migrations: readonly Migration[] = MIGRATIONS,
): Promise<OpenedFolder> {
  if (freeBytesOf(folder) < FREE_FLOOR.disk)
    throw new MessagingError("STORE_FAILED", `there is no space left for the data folder "${folder}"`);
  const beside = readPassport(folder);
  if (beside !== undefined) checkFormat(beside, folder, migrations);
  const file = dataFileIn(folder);
  const data = inspectDataFile(file);
  if (data.state === "missing" && beside !== undefined)
    throw damaged("its data file is missing or empty", { path: file });
  const suspicion = join(folder, "check-everything");
  if (data.state === "short") {
    writeDurably(folder, suspicion, ""); // remembered until it is settled, since the file does not look short from now on
    extend(file, data.bytes);
  }
  const isSuspicious = statSync(suspicion, { throwIfNoEntry: false }) !== undefined;
  const env = openEnvironment(folder, settings.bytesMax);
  return closedOnFailure(env, async () => {
    const stored = storedPassport(env);
    if (stored !== undefined) checkFormat(stored, folder, migrations);
    const loaded = loadLogs(env, isSuspicious || settings.check === "full");
    const made = (id: string) => passportOf(id, newestFormat(migrations), migrations);
    const { passport, epoch, mark } = takeOwnership(env, beside, loaded.digest, settings.runtime, made);
    // one beside the data that a crash kept from saying that a migration is done
    if (
      beside === undefined ||
      (beside.from !== undefined && beside.format === passport.format && passport.from === undefined)
    )
      writePassport(folder, passport);
    if (isSuspicious) unlinkSync(suspicion);
    const opened = { data: storeData(env, loaded, mark, []), id: passport.id, epoch };
    return { ...opened, data: await bringUp(folder, settings, opened, passport, migrations) };
  });
}

/**
 * Writes to lmdb what the journal holds, then makes the newest format of all that.
 * @throws STORE_DAMAGED, STORE_FAILED
 */
async function bringUp(
  folder: string,
  settings: Settings,
  opened: OpenedFolder,
  passport: Passport,
  migrations: readonly Migration[],
): Promise<StoreData> {
  const room = new Room(folder, settings.bytesMax, settings.runtime);
  const writer = new DataWriter(folder, settings, opened, room);
  try {
    await replay(folder, opened, { writer, room });
    removeOtherJournals(folder, undefined);
    await migrate(folder, { writer, room }, passport, migrations);
    return writer.data;
  } catch (error) {
    if (writer.broken === undefined && writer.data !== opened.data) await writer.data.env.root.close(); // it was read anew
    throw error;
  }
}

/**
 * Writes to lmdb what the last owner's journal holds beyond it.
 * Only once the data has the new owner: what the past one appends from then on it can report to nobody.
 * @throws STORE_DAMAGED, STORE_FAILED
 */
async function replay(
  folder: string,
  { data, id }: OpenedFolder,
  { writer, room }: { readonly writer: DataWriter; readonly room: Room },
): Promise<void> {
  const { journal } = data.mark;
  if (journal === undefined) return;
  const layer = new Layer();
  layer.last = data.mark.applied;
  for (const { number, changes } of readJournal(folder, id, journal, data.mark.applied))
    layer.add(changes, costOfChanges(changes), number);
  room.lookAtDisk();
  if (!room.canTake(data.file, layer.cost))
    throw new MessagingError(
      "STORE_FAILED",
      `there is no space left in the data folder "${folder}" for what its journal holds: ${layer.cost} bytes`,
    );
  // What it truncates goes now or, beyond what one transaction removes,
  // once the store is open: nobody else looks for it.
  await writer.write(layer.changes(), layer.cost, { applied: layer.last, journal: undefined }, room.isDiskUsable);
}
