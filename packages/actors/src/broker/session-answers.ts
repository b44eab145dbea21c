import { MessagingError } from "../message/errors.ts";
import { inParts } from "../protocol/answer-parts.ts";
import type { Codec } from "../protocol/codec.ts";
import type { FrameBatcher } from "../protocol/frame-batcher.ts";
import type { AnswerOf } from "../protocol/frames.ts";
import { plainBytes } from "../protocol/plain-bytes.ts";
import type { AnyAnswer, QuestionKind } from "../protocol/questions.ts";
import type { Drain } from "./drain.ts";

/** An answer below it goes with whatever else goes in its turn. */
const SMALL_BYTES = 8 * 1024;
/**
 * Bytes of a part, at most; a quarter of a frame where that is less. Between two of them other frames of the link get
 * their turn.
 */
const PART_BYTES = 256 * 1024;
export interface AnsweringLink {
  readonly batcher: FrameBatcher;
  readonly codec: Codec;
  readonly drain: Pick<Drain, "congested" | "whenDrained">;
  readonly version: number;
  readonly frameBytesMax: number;
  /** Of one answer that cannot be divided. */
  readonly peerBytesMax: number;
  readonly session: { readonly isOpen: boolean; send(frame: AnswerOf): void };
}

/**
 * Rule 43. Sends the answers of one link. A large one goes in parts that fit, one after another as the link drains,
 * so that what waits on it stays little however much is asked: what is asked while it does not read waits itself
 * (rule 42). A link of protocol version 1 has no parts, and gets what fits.
 */
export class SessionAnswers {
  readonly #link: AnsweringLink;
  /** The last large answer on its way. */
  #last: Promise<void> = Promise.resolve();
  #resume = (): void => {};

  constructor(link: AnsweringLink) {
    this.#link = link;
  }

  /**
   * Resolves once the link has taken it.
   * @throws `LIMIT_EXCEEDED` for what no frame holds; of a version 1 link, for what does not fit into one
   */
  async send(kind: QuestionKind, request: number, answer: AnyAnswer): Promise<void> {
    const link = this.#link;
    const small = Math.min(SMALL_BYTES, link.frameBytesMax / 4);
    if (plainBytes(answer, small) <= small) {
      link.session.send({ type: "answer", request, kind, answer });
      return;
    }
    const packets =
      link.version >= 2 ? this.#parts(kind, request, answer) : [this.#whole({ type: "answer", request, kind, answer })];
    const before = this.#last;
    this.#last = (async () => {
      await before;
      for (const packet of packets) {
        if (link.drain.congested) await this.#drained();
        if (!link.session.isOpen) return;
        link.batcher.pushPacket(packet);
      }
    })();
    const sent = this.#last;
    this.#last = sent.catch(() => {});
    await sent;
  }
  #drained(): Promise<void> {
    return new Promise((resolve) => {
      this.#resume = resolve;
      this.#link.drain.whenDrained(resolve);
    });
  }
  /** The link has ended: nothing waits for it any more. */
  stop(): void {
    this.#resume();
  }
  *#parts(kind: QuestionKind, request: number, answer: AnyAnswer): Generator<Uint8Array> {
    const most = Math.min(PART_BYTES, this.#link.frameBytesMax / 4);
    const frame = (part: AnyAnswer, isLast: boolean): AnswerOf => ({
      ...{ type: "answer", request, kind, answer: part },
      ...(isLast ? {} : { more: true }),
    });
    yield* inParts(
      kind,
      answer,
      (part, isLast) => {
        if (plainBytes(part, most) > most) return null;
        const packet = this.#link.codec.encode([frame(part, isLast)]);
        return packet.length <= this.#link.frameBytesMax ? packet : null;
      },
      (part, isLast) => this.#whole(frame(part, isLast)),
    );
  }
  /** One that cannot be divided. */
  #whole(frame: AnswerOf): Uint8Array {
    const packet = this.#link.codec.encode([frame]);
    const { peerBytesMax } = this.#link;
    if (packet.length <= peerBytesMax) return packet;
    const data = { bytes: packet.length, frameBytesMax: peerBytesMax };
    throw new MessagingError(
      "LIMIT_EXCEEDED",
      `the answer has ${packet.length} bytes, a frame holds ${peerBytesMax}: ask for less at once`,
      { data },
    );
  }
}
