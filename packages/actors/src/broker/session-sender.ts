import type { IncomingLink } from "../contracts/transport.ts";
import { isMessagingError, MessagingError, type WireError } from "../message/errors.ts";
import type { Codec } from "../protocol/codec.ts";
import type { PlainFrame, Refusal } from "../protocol/disclosure.ts";
import { clientTakes, FrameBatcher, frameTooLarge } from "../protocol/frame-batcher.ts";
import type { BrokerFrame } from "../protocol/frames.ts";
import { brokeProtocol } from "../protocol/own-fault.ts";
import type { AnyAnswer, QuestionKind } from "../protocol/questions.ts";
import type { BrokerScope } from "./broker-scope.ts";
import { Drain } from "./drain.ts";
import { SessionAnswers } from "./session-answers.ts";
import type { SessionLife } from "./session-life.ts";

/**
 * Bytes waiting on a link at which it is given up: deliveries have paused long before, so its client asks and does
 * not read.
 */
const OVERLOADED_BYTES = 32 * 1024 * 1024;
/**
 * A link with this many times as much waiting on it as pauses deliveries is not read: only answers can have come to
 * that.
 */
const UNREAD_FACTOR = 4;

/** What goes out over one link: nothing before its client is known, and nothing behind the goodbye. */
export class SessionSender {
  /** When so much waits that deliveries and answers hold back. */
  readonly drain: Drain;
  /** When so much waits that the link is not read. */
  readonly unread: Drain;
  readonly #scope: BrokerScope;
  readonly #link: IncomingLink;
  readonly #life: SessionLife;
  #batcher: FrameBatcher | null = null;
  #answers: SessionAnswers | null = null;
  #codec: Codec | null = null;
  #isOverloaded = false;

  constructor(scope: BrokerScope, link: IncomingLink, life: SessionLife) {
    this.#scope = scope;
    this.#link = link;
    this.#life = life;
    const { congestedBytes } = scope.limits;
    const drain = (bytes: number) =>
      new Drain(
        link,
        () => this.#batcher,
        (error) => life.fault(error, "a drain"),
        bytes,
      );
    this.drain = drain(congestedBytes);
    this.unread = drain(congestedBytes * UNREAD_FACTOR);
  }
  /** It is told everything in this codec. `version`: what it speaks; 1 as long as that is not known. */
  speak(codec: Codec, version: number): void {
    const { runtime, limits } = this.#scope;
    const life = this.#life;
    const peerBytesMax = clientTakes(version);
    const frameBytesMax = Math.min(limits.frameBytesMax, limits.packetBytes, peerBytesMax);
    const batcher = new FrameBatcher(this.#link, codec, runtime, {
      frameBytesMax,
      peerBytesMax,
      onFault: (error, type) => life.fault(error, `writing "${type}"`),
      onTooLarge: ({ type }, bytes) => life.close(frameTooLarge(type, bytes, peerBytesMax), "tooLarge"),
    });
    this.#codec = codec;
    this.#batcher = batcher;
    this.#answers = new SessionAnswers({
      ...{ batcher, codec, drain: this.drain, session: this, version, frameBytesMax },
      peerBytesMax: version < 2 ? Math.min(limits.frameBytesMax, peerBytesMax) : peerBytesMax,
    });
  }
  get isOpen(): boolean {
    return this.#life.isOpen;
  }
  get bufferedBytes(): number {
    return this.#batcher?.bufferedBytes ?? 0;
  }
  send(frame: PlainFrame): void {
    this.#push(frame);
  }
  /** Where the link's version has a word for it; false where it has none. */
  sendIfSpoken(frame: PlainFrame | Extract<BrokerFrame, { readonly type: "member.ended" }>): boolean {
    if (this.#codec === null || this.#codec.refusal(frame) !== null) return false;
    this.#push(frame);
    return true;
  }
  /** Refuses what was asked; of the error it tells what may be told. */
  refuse(refusal: Refusal): void {
    if (this.#life.isOpen) this.#push({ ...refusal, error: this.disclosed(refusal.error) });
  }
  /** Refuses a request with an error of ours. Anything else that was thrown is no answer to give. */
  refuseRequest(request: number, error: unknown, doing: string): void {
    if (isMessagingError(error)) this.refuse({ type: "refused", request, error });
    else this.#life.fault(error, doing);
  }
  /** What a request throws becomes its `refused`; a broken protocol, or a fault of ours, ends the link. */
  answering({ request, type }: { readonly request: number; readonly type: string }, work: () => void): void {
    try {
      work();
    } catch (error) {
      if (brokeProtocol(error)) throw error;
      this.refuseRequest(request, error, type);
    }
  }
  /** Resolves once the link has taken it. @throws `LIMIT_EXCEEDED` where it does not fit */
  async answer(request: number, kind: QuestionKind, answer: AnyAnswer): Promise<void> {
    await this.#answers?.send(kind, request, answer);
  }
  /** What its client may be told of an error. */
  disclosed(error: MessagingError): WireError {
    return this.#scope.disclosure.of(error, this.#life.path);
  }
  goodbye(error: WireError | null): void {
    this.#batcher?.push({ type: "goodbye", error });
  }
  flush(): void {
    this.#batcher?.flush();
  }
  #push(frame: BrokerFrame): void {
    if (!this.#life.isOpen || this.#batcher === null) return;
    try {
      this.#batcher.push(frame);
      if (this.#batcher.bufferedBytes <= OVERLOADED_BYTES || this.#isOverloaded) return;
    } catch (error) {
      this.#life.fault(error, `sending "${frame.type}"`);
      return;
    }
    this.#isOverloaded = true;
    this.#scope.runtime.defer(() => this.overloaded());
  }
  /** The client does not read what it asks for. */
  overloaded(): void {
    this.#life.close(new MessagingError("LIMIT_EXCEEDED", "the client does not read what it asks for"), "overloaded");
  }
  /** The link has ended. */
  stop(): void {
    this.drain.stop();
    this.#answers?.stop();
  }
}
