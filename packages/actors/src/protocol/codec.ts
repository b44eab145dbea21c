import type { Frame } from "./frames.ts";

/** Turns frames into packets and back. The first byte of a packet tells which codec wrote it, so a broker answers each link in the codec of its `hello`. */
export interface Codec {
  readonly name: "binary" | "json";
  /** One packet that holds these frames, in order. */
  encode(frames: readonly Frame[]): Uint8Array;
  /**
   * The frames of one packet. Byte fields may share the packet's memory. Whatever the bytes are, it throws nothing but `PROTOCOL_VIOLATION`
   * and allocates no more than a small multiple of the packet's length.
   */
  decode(packet: Uint8Array): Frame[];
}
