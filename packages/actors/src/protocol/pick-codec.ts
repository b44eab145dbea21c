import { BINARY_MAGIC, binaryCodec } from "./binary-codec.ts";
import type { Codec } from "./codec.ts";
import { JSON_FIRST_BYTE, jsonCodec } from "./json-codec.ts";
import { violation } from "./violation.ts";

/** The codec that wrote a packet, by its first byte. @throws `PROTOCOL_VIOLATION` when none of ours did */
export function codecOf(packet: Uint8Array): Codec {
  if (packet[0] === BINARY_MAGIC) return binaryCodec;
  if (packet[0] === JSON_FIRST_BYTE) return jsonCodec;
  const found = packet[0] === undefined ? "an empty packet" : `0x${packet[0].toString(16)}`;
  throw violation("packet", "", `0x53 (binary) or 0x5b (JSON) as the first byte`, found);
}
