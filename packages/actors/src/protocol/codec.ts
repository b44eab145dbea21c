import type { MessagingError } from "../message/errors.ts";
import type { ClientFrame, Frame, ReadFrame } from "./frames.ts";
import type { Answers, QuestionKind } from "./questions.ts";

/** The frames of one packet, in order. */
export interface FrameReader<F = ClientFrame> {
  /** The next frame, `null` behind the last one. @throws `PROTOCOL_VIOLATION`, as `Codec.decode` */
  next(): F | null;
  /** Nothing stands behind the last frame taken, as far as can be seen without reading on. */
  readonly done: boolean;
  /** Bytes behind the last frame taken. @default unknown */
  readonly bytesLeft?: number;
}
/** The same frames, each as it is made of the one read. */
export const changedFrames = (reader: FrameReader, change: (frame: ClientFrame) => ClientFrame): FrameReader => ({
  next() {
    const frame = reader.next();
    return frame === null ? null : change(frame);
  },
  get done() {
    return reader.done;
  },
  get bytesLeft() {
    return reader.bytesLeft ?? 0;
  },
});
/** All frames that are left. */
export function framesOf<F>(reader: FrameReader<F>): F[] {
  const frames: F[] = [];
  for (let frame = reader.next(); frame !== null; frame = reader.next()) frames.push(frame);
  return frames;
}

/**
 * Turns frames into packets and back, as one protocol version has them. The first byte of a packet says which codec
 * wrote it, so a broker answers each link in the codec of its `hello`. A link begins with the newest version's; once
 * `welcome` has said what is spoken, both sides take that version's, once per link.
 */
export interface Codec {
  readonly name: "binary" | "json";
  /** The protocol versions it can be had for, lowest first. */
  readonly versions: readonly number[];
  /** The same codec for links that speak this version. @throws `RangeError` for none of `versions` */
  at(version: number): Codec;
  /**
   * One packet that holds these frames, in order; fields that its version does not have stay out. Throws
   * `VERSION_UNSUPPORTED` for a frame that came later.
   */
  encode(frames: readonly Frame[]): Uint8Array;
  /**
   * The frames of one packet, at most `FRAMES_MAX`. Byte fields may share the packet's memory. Whatever the bytes
   * are, it throws nothing but `PROTOCOL_VIOLATION` and allocates no more than a small multiple of the packet's
   * length. What its version does not have is refused like anything else that is unknown. What an `answer` holds is
   * not looked at yet.
   */
  decode(packet: Uint8Array): ReadFrame[];
  /**
   * What an `answer` that was read holds, as the answer to such a question.
   * @throws `PROTOCOL_VIOLATION` if it is none
   */
  answerTo<Kind extends QuestionKind>(kind: Kind, answer: unknown): Answers[Kind];
  /**
   * The same as a broker reads its clients: one frame after the other, so that what stands behind a frame is looked
   * at only when it is asked for, and none dearer than one that a client has reason to send (`INTAKE`).
   */
  reader(packet: Uint8Array): FrameReader;
  /**
   * Why a link of its version does not carry this frame (`VERSION_UNSUPPORTED`: it came later); `null` when it does.
   */
  refusal(frame: Frame): MessagingError | null;
}
