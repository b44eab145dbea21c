// A folder of an older format is made one of the newest, in place, when it is opened.
// A crash at any time leaves a folder that the next open goes on with, and that no older version takes up (rule 39).
import { MessagingError } from "@seriatim/actors";
import { costOfChanges } from "./commit-queue.ts";
import type { DataWriter } from "./data-writer.ts";
import { FORMAT_OLDEST, type Migration, newestFormat, passportOf } from "./formats.ts";
import { NOTHING } from "./journaling.ts";
import { type Passport, writePassport } from "./passport.ts";
import type { Room } from "./room.ts";

/**
 * One format after the other: the passport beside the data, then that of the data,
 * say that a migration has begun; its parts are written; the same two say that it
 * is done, the data's first. So what lies beside the data is never older than it.
 * @param passport as the data has it
 * @throws STORE_FAILED (no room, and whatever a transaction fails with)
 */
export async function migrate(
  folder: string,
  { writer, room }: { readonly writer: DataWriter; readonly room: Room },
  passport: Passport,
  migrations: readonly Migration[],
): Promise<void> {
  const { id } = passport;
  for (let from = passport.from ?? passport.format; from < newestFormat(migrations); from++) {
    const { parts } = migrations[from - FORMAT_OLDEST] as Migration;
    const done = passportOf(id, from + 1, migrations);
    const begun = { ...done, from };
    writePassport(folder, begun);
    await writer.write(NOTHING, 0, undefined, false, begun);
    for (const changes of parts(writer.data)) {
      const cost = costOfChanges(changes);
      room.lookAtDisk();
      if (!room.canTake(writer.data.file, cost))
        throw new MessagingError(
          "STORE_FAILED",
          `there is no space left in the data folder "${folder}" to migrate it to format ${from + 1}: ${cost} bytes`,
        );
      await writer.write(changes, cost, undefined, false);
    }
    await writer.write(NOTHING, 0, undefined, false, done);
    writePassport(folder, done);
  }
}
