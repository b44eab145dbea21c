import { createReadStream } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";

/** The lines of every history file of a folder, file by file in the order of their names. */
export async function* historyLines(dir: string): AsyncIterable<string> {
  const names = (await readdir(dir)).filter((name) => name.endsWith(".jsonl"));
  for (const name of names.toSorted())
    yield* createInterface({ input: createReadStream(join(dir, name)), crlfDelay: Number.POSITIVE_INFINITY });
}
