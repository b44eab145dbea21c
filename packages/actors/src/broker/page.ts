import { ID_BYTES_MAX, KEY_BYTES_MAX } from "../message/packed.ts";
import { utf8Bytes } from "../message/text.ts";
import type { AsideListed, AsideMessage } from "../protocol/questions.ts";

/** Bytes of one page, at most: other answers of a turn go with it. */
const PAGE_BYTES_MAX = 1024 * 1024;
/** What an entry takes beside its texts and its message: names of fields, numbers. */
const ENTRY_BYTES = 512;

/**
 * Rule 41: one page of an answer about what is set aside. Whatever is in it, it fits into a frame, which holds more
 * than `messageBytesMax` in any codec; one entry goes in any case.
 */
export class Page<Entry extends AsideMessage | AsideListed> {
  readonly entries: Entry[] = [];
  readonly #bytesMax: number;
  #bytes = 0;

  constructor(messageBytesMax: number) {
    this.#bytesMax = Math.min(PAGE_BYTES_MAX, messageBytesMax);
  }
  /** Takes the entry, or says that it belongs to the next page. */
  add(entry: Entry): boolean {
    const bytes = bytesOf(entry);
    if (this.entries.length > 0 && this.#bytes + bytes > this.#bytesMax) return false;
    this.#bytes += bytes;
    this.entries.push(entry);
    return true;
  }
}
/**
 * In whichever codec takes more: JSON writes bytes in base64, and six characters for one that cannot be seen, as each
 * of the key and the id in a message may be.
 */
function bytesOf(entry: AsideMessage | AsideListed): number {
  const { length } = entry.message;
  const bytes = ENTRY_BYTES + Math.ceil((length * 4) / 3) + 5 * Math.min(length, KEY_BYTES_MAX + ID_BYTES_MAX);
  if (!("error" in entry)) return bytes;
  const { key, error } = entry;
  return bytes + jsonBytes(key) + jsonBytes(error.name) + jsonBytes(error.message) + jsonBytes(error.code);
}
const jsonBytes = (text: string | null): number => utf8Bytes(JSON.stringify(text));
