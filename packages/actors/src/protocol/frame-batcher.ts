import { FRAME_BYTES_MAX, type Link } from "../contracts/transport.ts";
import { MessagingError } from "../message/errors.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { Codec } from "./codec.ts";
import { divided, frameBytes } from "./frame-bytes.ts";
import type { Frame } from "./frames.ts";

/** Bytes at which a packet is handed over before the turn ends. */
const PACKET_BYTES = 256 * 1024;

/**
 * What a client takes of its broker, whatever that one takes itself: a message of its own in a frame grows by a third
 * in JSON.
 */
export const CLIENT_TAKES_BYTES_MAX = 64 * 1024 * 1024;
/** The same of a client that speaks this version: before 2 it took what brokers take by default. */
export const clientTakes = (version: number): number => (version < 2 ? FRAME_BYTES_MAX : CLIENT_TAKES_BYTES_MAX);

export const frameTooLarge = (frame: Frame["type"], bytes: number, bytesMax: number): MessagingError =>
  new MessagingError(
    "LIMIT_EXCEEDED",
    `frame "${frame}" has ${bytes} bytes in this codec, the other side takes ${bytesMax}: send less in one, or raise \`frameBytesMax\` of the broker`,
    { data: { frame, bytes, bytesMax } },
  );

export interface BatcherSettings {
  /** No packet is larger, but for a single frame that cannot be divided. Packets are handed over at a quarter of it. */
  readonly frameBytesMax: number;
  /** What the peer takes at all. */
  readonly peerBytesMax: number;
  /** A packet could not be encoded, for this frame, and nothing of it was sent; nothing is thrown then. */
  onFault(error: unknown, frame: Frame["type"]): void;
  /** This frame alone is larger than what the peer takes, and was not sent. */
  onTooLarge(frame: Frame, bytes: number): void;
}

/**
 * Rule 43. Frames of one turn of the event loop go out together, in as few packets as their size allows: what has
 * piled up is the batch, nothing waits for more. They are counted as they come and measured once they are encoded: a
 * packet that is too large all the same, as in JSON it may be, goes as several.
 *
 *     push, push, push ──▶ frames of this turn ──turn ends──▶ encode ──▶ packet ──▶ link
 *                                                               └─ too large ──▶ two packets
 */
export class FrameBatcher {
  readonly #link: Link;
  readonly #codec: Codec;
  readonly #runtime: Runtime;
  readonly #settings: BatcherSettings;
  readonly #packetBytes: number;
  #frames: Frame[] = [];
  #bytes = 0;
  #scheduled = false;

  constructor(link: Link, codec: Codec, runtime: Runtime, settings: BatcherSettings) {
    this.#link = link;
    this.#codec = codec;
    this.#runtime = runtime;
    this.#settings = settings;
    this.#packetBytes = Math.min(PACKET_BYTES, settings.frameBytesMax / 4);
  }

  push(frame: Frame): void {
    const bytes = frameBytes(frame);
    if (this.#frames.length > 0 && this.#bytes + bytes > this.#packetBytes) this.flush();
    this.#frames.push(frame);
    this.#bytes += bytes;
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#runtime.atTurnEnd(this.#onTurnEnd);
  }
  /** A packet that is encoded already, behind what waits here. */
  pushPacket(packet: Uint8Array): void {
    this.flush();
    this.#link.send(packet);
  }
  readonly #onTurnEnd = (): void => {
    this.#scheduled = false;
    this.flush();
  };
  /** Hands over what is waiting, now. */
  flush(): void {
    if (this.#frames.length === 0) return;
    const frames = this.#frames;
    this.#frames = [];
    this.#bytes = 0;
    this.#send(frames);
  }
  #send(frames: readonly Frame[]): void {
    let packet: Uint8Array;
    try {
      packet = this.#codec.encode(frames);
    } catch (error) {
      this.#settings.onFault(error, this.#culprit(frames));
      return;
    }
    const { frameBytesMax, peerBytesMax, onTooLarge } = this.#settings;
    if (packet.length <= frameBytesMax) {
      this.#link.send(packet);
      return;
    }
    const [first, ...others] = frames;
    const half = frames.length >>> 1;
    const parts = others.length > 0 ? [frames.slice(0, half), frames.slice(half)] : divided(first as Frame);
    if (parts !== null) for (const part of parts) this.#send(Array.isArray(part) ? part : [part]);
    else if (packet.length <= peerBytesMax) this.#link.send(packet);
    else onTooLarge(first as Frame, packet.length);
  }
  /** Which of them cannot be encoded. */
  #culprit(frames: readonly Frame[]): Frame["type"] {
    const found = frames.find((frame) => {
      try {
        this.#codec.encode([frame]);
        return false;
      } catch {
        return true;
      }
    });
    return (found ?? (frames[0] as Frame)).type;
  }
  /** Bytes the link has not handed over, and what waits here. */
  get bufferedBytes(): number {
    return this.#bytes + this.#link.bufferedBytes;
  }
}
