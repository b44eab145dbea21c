import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { basename } from "node:path";
import { CsvError, parse } from "csv-parse";
import { ProgramError } from "../program-error.ts";
import { type EventLog, eventLog, type RawEvent } from "./event-log.ts";

export interface CsvLogOptions {
  readonly file: string;
  /** Column that holds the ordering key. */
  readonly key: string;
  /** Column that holds the time of the event. */
  readonly time: string;
}

/**
 * Reads an event log: one row an event, a header row first.
 * Rows are sorted by time, stably, so that ties keep the file's order.
 * @throws `FILE_MISSING` `FILE_UNREADABLE` `LOG_EMPTY` `COLUMN_MISSING` `ROW_INVALID`
 */
export async function csvLog({ file, key, time }: CsvLogOptions): Promise<EventLog> {
  await checkFile(file);
  let columns: string[] | null = null;
  const checkColumns = (found: string[]): string[] => {
    columns = found;
    for (const column of [key, time])
      if (!found.includes(column))
        throw new ProgramError(
          "COLUMN_MISSING",
          `${file} has no column "${column}"; it has ${found.map((name) => `"${name}"`).join(", ")}`,
        );
    return found;
  };
  const raw: RawEvent[] = [];
  const parser = createReadStream(file)
    .on("error", (error) => parser.destroy(error))
    .pipe(parse({ columns: checkColumns, bom: true, skip_empty_lines: true, trim: true, info: true }));
  try {
    for await (const { record, info } of parser as AsyncIterable<{
      record: Record<string, string>;
      info: { lines: number };
    }>) {
      const row = `${file}, line ${info.lines}`;
      const at = record[time] ?? "";
      const atMs = timeOf(at);
      if (Number.isNaN(atMs)) throw new ProgramError("ROW_INVALID", `${row}: "${at}" in column "${time}" is no time`);
      const keyValue = record[key] ?? "";
      if (keyValue === "") throw new ProgramError("ROW_INVALID", `${row}: column "${key}" is empty`);
      raw.push({ key: keyValue, atMs, fields: record });
    }
  } catch (error) {
    if (error instanceof ProgramError) throw error;
    if (error instanceof CsvError)
      throw new ProgramError("ROW_INVALID", `${file} is no CSV file: ${error.message}`, { cause: error });
    throw new ProgramError("FILE_UNREADABLE", `cannot read ${file}: ${(error as Error).message}`, { cause: error });
  }
  if (raw.length === 0)
    throw new ProgramError("LOG_EMPTY", columns === null ? `${file} is empty` : `${file} has a header but no rows`);
  return eventLog(basename(file), raw);
}

async function checkFile(file: string): Promise<void> {
  const found = await stat(file).catch((error: unknown) => {
    const missing = (error as NodeJS.ErrnoException).code === "ENOENT";
    throw new ProgramError(
      missing ? "FILE_MISSING" : "FILE_UNREADABLE",
      missing ? `there is no file ${file}` : `cannot read ${file}: ${(error as Error).message}`,
      { cause: error },
    );
  });
  if (!found.isFile()) throw new ProgramError("FILE_UNREADABLE", `${file} is no file`);
}

const WITHOUT_ZONE = /^\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}(:\d{2}([.,]\d+)?)?$/;
/**
 * Times without a zone are taken as UTC: a local zone's summer time would reorder an hour a year.
 * Plain numbers are ms since 1970.
 */
export function timeOf(text: string): number {
  if (WITHOUT_ZONE.test(text)) return Date.parse(`${text.replace(" ", "T").replace(",", ".")}Z`);
  return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : Date.parse(text);
}
