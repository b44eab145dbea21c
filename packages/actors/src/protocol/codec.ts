import type { MessagingError } from "../message/errors.ts";
import type { Frame } from "./frames.ts";

/**
 * Turns frames into packets and back, as one protocol version has them. The first byte of a packet tells which codec wrote it, so a broker answers each link in the codec of its `hello`.
 * A link begins with the newest version's; once `welcome` has said what is spoken, both sides take that version's, once per link.
 */
export interface Codec {
  readonly name: "binary" | "json";
  /** The protocol versions it can be had for, lowest first. */
  readonly versions: readonly number[];
  /** The same codec for links that speak this version. @throws `RangeError` for none of `versions` */
  at(version: number): Codec;
  /** One packet that holds these frames, in order; fields that its version does not have stay out. Throws `VERSION_UNSUPPORTED` for a frame that came later. */
  encode(frames: readonly Frame[]): Uint8Array;
  /**
   * The frames of one packet. Byte fields may share the packet's memory. Whatever the bytes are, it throws nothing but `PROTOCOL_VIOLATION`
   * and allocates no more than a small multiple of the packet's length. What its version does not have is refused like anything else that is unknown.
   */
  decode(packet: Uint8Array): Frame[];
  /** Why a link of its version does not carry this frame (`VERSION_UNSUPPORTED`: it came later); `null` when it does. */
  refusal(frame: Frame): MessagingError | null;
}
