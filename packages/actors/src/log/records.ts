import { Packr } from "msgpackr";
import { type ErrorData, MessagingError } from "../message/errors.ts";

const packr = new Packr({ useRecords: false, mapsAsObjects: true });

/** Small documents as the store keeps them. */
export const encodeRecord = (record: unknown): Uint8Array => packr.pack(record);
/**
 * Begins a record that is encoded in a later way, before the number of that way: no MessagePack value begins with it.
 */
const LATER = 0xc1;
/** What is stored was written by a newer version, and is whole as far as anyone can tell (rule 39). */
export const newerThanKnown = (what: string, found: string, data: ErrorData): MessagingError<"FORMAT_UNSUPPORTED"> =>
  new MessagingError(
    "FORMAT_UNSUPPORTED",
    `${what} has ${found}, which is of a newer version: open the data with the version that wrote it, or a newer one`,
    { data },
  );
/** @throws `STORE_DAMAGED` naming the record; `FORMAT_UNSUPPORTED` when a newer version encoded it */
export function decodeRecord<T>(key: string, bytes: Uint8Array): T {
  if (bytes[0] === LATER) throw newerThanKnown(`record "${key}"`, `encoding ${bytes[1]}`, { key });
  try {
    return packr.unpack(bytes) as T;
  } catch (cause) {
    throw new MessagingError(
      "STORE_DAMAGED",
      `record "${key}" (${bytes.length} bytes) cannot be decoded: restore the data from a copy`,
      {
        cause,
        data: { key },
      },
    );
  }
}

/** Names of logs and records. Topic, group and producer names hold no slash. */
export const storeKeys = {
  topic: (topic: string) => `t/${topic}`,
  topics: "t/",
  group: (topic: string, group: string) => `g/${topic}/${group}`,
  groups: (topic: string) => `g/${topic}/`,
  member: (topic: string, group: string, name: string) => `gm/${topic}/${group}/${name}`,
  members: (topic: string, group: string) => `gm/${topic}/${group}/`,
  log: (topic: string, queue: number) => flat("q", topic, queue),
  queue: (topic: string, queue: number) => `qs/${topic}/${queue}`,
  removedIds: (topic: string, queue: number) => `qi/${topic}/${queue}/`,
  removedIdsFrom: (topic: string, queue: number, offset: number) => `qi/${topic}/${queue}/${padded(offset)}`,
  producer: (topic: string, queue: number, producer: string) => `p/${topic}/${queue}/${producer}`,
  producers: (topic: string, queue: number) => `p/${topic}/${queue}/`,
  /** A part of where a producer's messages stand; its own record is listed with it. */
  runs: (producer: string, place: number) => `${producer}/${place}`,
  subscription: (topic: string, queue: number, group: string) => `s/${topic}/${queue}/${group}`,
  discarded: (topic: string, queue: number, group: string) => `sc/${topic}/${queue}/${group}`,
  strand: (topic: string, queue: number, group: string, strand: number) =>
    `st/${topic}/${queue}/${group}/${padded(strand)}`,
  strands: (topic: string, queue: number, group: string) => `st/${topic}/${queue}/${group}/`,
  entry: (topic: string, queue: number, group: string, strand: number, offset: number) =>
    `se/${topic}/${queue}/${group}/${padded(strand)}/${padded(offset)}`,
  entries: (topic: string, queue: number, group: string, strand: number) =>
    `se/${topic}/${queue}/${group}/${padded(strand)}/`,
} as const;
/**
 * For what is kept per queue: V8 keeps the parts of a template that was filled in, too, several times what the text
 * takes.
 */
export const flat = (...parts: readonly (string | number)[]): string => parts.join("/");
/** Numbers in keys sort as numbers. */
const padded = (value: number): string => String(value).padStart(16, "0");
