import type { Runtime } from "../runtime/runtime.ts";
import type { Link } from "../transport/transport.ts";
import type { Codec } from "./codec.ts";
import type { Frame } from "./frames.ts";

/** Frames of one turn of the event loop go out together, in as few packets as their size allows: what has piled up is the batch, nothing waits for more. */
export class Outbox {
  readonly #link: Link;
  readonly #codec: Codec;
  readonly #runtime: Runtime;
  readonly #packetBytes: number;
  readonly #onFault: (error: unknown, frame: Frame["type"]) => void;
  #frames: Frame[] = [];
  #bytes = 0;
  #scheduled = false;

  /**
   * `frameBytesMax`: what the peer takes; packets stay below a quarter of it, but for a single frame that is larger. `onFault`: a packet could not be encoded, for this
   * frame, and nothing of it was sent; nothing is thrown then.
   */
  constructor(
    link: Link,
    codec: Codec,
    runtime: Runtime,
    frameBytesMax: number,
    onFault: (error: unknown, frame: Frame["type"]) => void,
  ) {
    this.#link = link;
    this.#onFault = onFault;
    this.#codec = codec;
    this.#runtime = runtime;
    this.#packetBytes = Math.min(256 * 1024, frameBytesMax / 4);
  }

  push(frame: Frame): void {
    const bytes = sizeOf(frame);
    if (this.#frames.length > 0 && this.#bytes + bytes > this.#packetBytes) this.flush();
    this.#frames.push(frame);
    this.#bytes += bytes;
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#runtime.atTurnEnd(this.#onTurnEnd);
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
    try {
      this.#link.send(this.#codec.encode(frames));
    } catch (error) {
      this.#onFault(error, this.#culprit(frames));
    }
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

/** Near enough: message bytes, and something for the rest. */
function sizeOf(frame: Frame): number {
  switch (frame.type) {
    case "batch.append":
      return 64 + frame.messages.length;
    case "deliver":
      return frame.batches.reduce((sum, batch) => sum + batch.messages.length + 32, 64);
    case "redeliver":
      return frame.entries.reduce((sum, entry) => sum + entry.message.length + 64, 64);
    case "heartbeat":
      return 64 + frame.leases.length * 24;
    case "settle":
      return 64 + frame.settlement.ranges.length * 16;
    default:
      return 128;
  }
}
