// JSON text of a packet, before anything is made of it: what it may hold, and where its items end.
import { DEPTH_MAX, FORBIDDEN_KEYS, OBJECT_KEY_MAX } from "./violation.ts";

/** Objects and arrays that a packet may hold: these, and one more for so many bytes of it. */
export const CONTAINERS_FREE = 65_536;
export const CONTAINER_BYTES = 8;
export const BRACKETS = { quote: 0x22, escape: 0x5c, comma: 0x2c, close: 0x5d } as const;
/**
 * Objects and arrays that JSON text opens, `Infinity` when they lie too deep: counted before anything is made of them,
 * since two bytes of `{}` become sixty. Text that is no JSON may be counted wrong; parsing finds that.
 */
export function containersIn(json: Uint8Array): number {
  const value = new JsonExtent(json, 0);
  value.skip(false);
  return value.containers;
}
/** How far a value reaches in JSON text, and what it opens. */
export class JsonExtent {
  readonly #json: Uint8Array;
  at: number;
  containers = 0;
  /** What has a comma or a bracket before it: about as many as there are values. */
  values = 0;
  constructor(json: Uint8Array, at: number) {
    this.#json = json;
    this.at = at;
  }
  /** Goes to the end of the text or, of an item of a list, to the `,` or `]` behind it. */
  skip(isItem: boolean): void {
    const json = this.#json;
    const depthMax = isItem ? DEPTH_MAX - 1 : DEPTH_MAX;
    let depth = 0;
    let { at, containers, values } = this;
    for (; at < json.length; at++) {
      const byte = json[at]!;
      if (byte === BRACKETS.quote) {
        // to the end of the string
        for (at++; at < json.length && json[at] !== BRACKETS.quote; at++) if (json[at] === BRACKETS.escape) at++;
      } else if (byte === 0x5b || byte === 0x7b) {
        containers++;
        values++;
        if (++depth > depthMax) {
          containers = Number.POSITIVE_INFINITY;
          break;
        }
      } else if (byte === BRACKETS.close || byte === 0x7d) {
        if (isItem && depth === 0) break;
        depth--;
      } else if (byte === BRACKETS.comma) {
        if (isItem && depth === 0) break;
        values++;
      }
    }
    this.at = at;
    this.containers = containers;
    this.values = values;
  }
}

/** What is wrong with the objects inside a value of `JSON.parse`: too many levels, or keys that may not be. */
export function objectsFault(value: unknown, depth: number): string | null {
  if (typeof value !== "object" || value === null) return null;
  if (depth === 0) return "more levels than allowed";
  if (Array.isArray(value)) {
    for (const item of value) {
      const found = objectsFault(item, depth - 1);
      if (found !== null) return found;
    }
    return null;
  }
  for (const [name, item] of Object.entries(value)) {
    if (FORBIDDEN_KEYS.has(name)) return `a key "${name}"`;
    if (name.length > OBJECT_KEY_MAX) return `a key of ${name.length} characters`;
    const found = objectsFault(item, depth - 1);
    if (found !== null) return found;
  }
  return null;
}
