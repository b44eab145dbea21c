import { BINARY_MAGIC, binaryCodec, binaryCodecOf } from "./binary-codec.ts";
import type { Codec } from "./codec.ts";
import type { FrameTables } from "./frame-tables.ts";
import { JSON_FIRST_BYTE, jsonCodec, jsonCodecOf } from "./json-codec.ts";
import { violation } from "./violation.ts";

/** The codecs of the newest protocol version, of which the first byte of each packet chooses. */
export class Codecs {
  readonly #binary: Codec;
  readonly #json: Codec;
  /** Those of older versions, once a link has asked for them. */
  #older: Map<number, Codecs> | null = null;

  constructor(binary: Codec, json: Codec) {
    this.#binary = binary;
    this.#json = json;
  }
  /** Those of all versions there are tables for: the newest one's. */
  static of(tables: FrameTables): Codecs {
    return new Codecs(binaryCodecOf(tables), jsonCodecOf(tables));
  }
  /** Protocol versions they can be had for, lowest first. */
  get versions(): readonly number[] {
    return this.#binary.versions;
  }
  /** For links that speak this version. To be asked of those of the newest one. */
  at(version: number): Codecs {
    if (version === Math.max(...this.versions)) return this;
    this.#older ??= new Map();
    const found = this.#older.get(version) ?? new Codecs(this.#binary.at(version), this.#json.at(version));
    this.#older.set(version, found);
    return found;
  }
  /** The codec that wrote a packet. @throws `PROTOCOL_VIOLATION` when none of ours did */
  of(packet: Uint8Array): Codec {
    if (packet[0] === BINARY_MAGIC) return this.#binary;
    if (packet[0] === JSON_FIRST_BYTE) return this.#json;
    const found = packet[0] === undefined ? "an empty packet" : `0x${packet[0].toString(16)}`;
    throw violation("packet", "", `0x53 (binary) or 0x5b (JSON) as the first byte`, found);
  }
}
/** Of the newest version. */
export const CODECS = new Codecs(binaryCodec, jsonCodec);
/**
 * The codec that wrote a packet, by its first byte, of the newest version.
 * @throws `PROTOCOL_VIOLATION` when none of ours did
 */
export const codecOf = (packet: Uint8Array): Codec => CODECS.of(packet);
