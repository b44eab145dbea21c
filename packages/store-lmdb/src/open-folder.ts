// Opening the data of a folder: found whole or refused, taken into ownership, and what its last owner's journal holds written to lmdb.
import { statSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { MessagingError } from "@seriatim/actors";
import { costOfChanges } from "./commit-queue.ts";
import { inspectDataFile } from "./data-file.ts";
import { dataFileIn, extend, freeBytesOf, writeDurably } from "./data-folder.ts";
import { DataWriter } from "./data-writer.ts";
import { closedOnFailure, openEnvironment } from "./environment.ts";
import { damaged } from "./errors.ts";
import { readJournal, removeOtherJournals } from "./journal.ts";
import { Layer } from "./layer.ts";
import { loadLogs } from "./load-logs.ts";
import type { Settings } from "./options.ts";
import { takeOwnership } from "./ownership.ts";
import { readPassport, writePassport } from "./passport.ts";
import { FREE_FLOOR, Room } from "./room.ts";
import { type StoreData, storeData } from "./store-data.ts";

export interface OpenedFolder {
  readonly data: StoreData;
  readonly id: string;
  readonly epoch: number;
}

/** @throws STORE_DAMAGED, STORE_FAILED, and what lmdb throws */
export async function openFolder(folder: string, settings: Settings): Promise<OpenedFolder> {
  if (freeBytesOf(folder) < FREE_FLOOR.disk)
    throw new MessagingError("STORE_FAILED", `there is no space left for the data folder "${folder}"`);
  const passport = readPassport(folder);
  const file = dataFileIn(folder);
  const data = inspectDataFile(file);
  if (data.state === "missing" && passport !== undefined)
    throw damaged("its data file is missing or empty", { path: file });
  const suspicion = join(folder, "check-everything");
  if (data.state === "short") {
    writeDurably(folder, suspicion, ""); // remembered until it is settled, since the file does not look short from now on
    extend(file, data.bytes);
  }
  const isSuspicious = statSync(suspicion, { throwIfNoEntry: false }) !== undefined;
  const env = openEnvironment(folder, settings.bytesMax);
  return closedOnFailure(env, async () => {
    const loaded = loadLogs(env, isSuspicious || settings.check === "full");
    const { id, epoch, mark } = takeOwnership(env, passport, loaded.digest, settings.runtime);
    if (passport === undefined) writePassport(folder, id);
    if (isSuspicious) unlinkSync(suspicion);
    const opened = { data: storeData(env, loaded, mark, []), id, epoch };
    return { ...opened, data: await replay(folder, settings, opened) };
  });
}

/**
 * Writes to lmdb what the last owner's journal holds beyond it. Only once the data has the new owner: what the past one appends from then on it can report to nobody.
 * @throws STORE_DAMAGED, STORE_FAILED
 */
async function replay(folder: string, settings: Settings, opened: OpenedFolder): Promise<StoreData> {
  const { data, id } = opened;
  const { journal } = data.mark;
  const room = new Room(folder, settings.bytesMax, settings.runtime);
  const writer = new DataWriter(folder, settings, opened, room);
  if (journal !== undefined) {
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
    try {
      await writer.write(layer.changes(), layer.cost, { applied: layer.last, journal: undefined }, false);
    } catch (error) {
      if (writer.broken === undefined && writer.data !== data) await writer.data.env.root.close(); // it was read anew
      throw error;
    }
  }
  removeOtherJournals(folder, undefined);
  return writer.data;
}
