import { fromWireError, MessagingError } from "../message/errors.ts";
import { AnswerParts } from "../protocol/answer-parts.ts";
import type { Codec } from "../protocol/codec.ts";
import type {
  AnswerOf,
  AsideDone,
  AsidePut,
  Ask,
  Frame,
  LaneOpen,
  LaneOpened,
  LeaseAcquire,
  LeaseGranted,
  LeaseRaise,
  LeaseRelease,
  LeaseReleased,
  MemberJoin,
  MemberJoined,
  ReadFrame,
  TopicFind,
  TopicFound,
} from "../protocol/frames.ts";

/** Requests and what answers each. */
export interface Requests {
  readonly "topic.find": [TopicFind, TopicFound];
  readonly "lane.open": [LaneOpen, LaneOpened];
  readonly "member.join": [MemberJoin, MemberJoined];
  readonly "lease.acquire": [LeaseAcquire, LeaseGranted];
  readonly "lease.raise": [LeaseRaise, LeaseGranted];
  readonly "lease.release": [LeaseRelease, LeaseReleased];
  readonly "aside.put": [AsidePut, AsideDone];
  readonly ask: [Ask, AnswerOf];
}
export type Request = Requests[keyof Requests][0];
const ANSWERS = {
  "topic.find": "topic.found",
  "lane.open": "lane.opened",
  "member.join": "member.joined",
  "lease.acquire": "lease.granted",
  "lease.raise": "lease.granted",
  "lease.release": "lease.released",
  "aside.put": "aside.done",
  ask: "answer",
} as const satisfies { readonly [T in keyof Requests]: Requests[T][1]["type"] };

interface Pending {
  readonly answer: Frame["type"];
  /** Of an answer that comes in parts. */
  readonly parts: AnswerParts | null;
  readonly resolve: (frame: never) => void;
  readonly reject: (error: MessagingError) => void;
}

/** What was asked on one link and has no answer yet. */
export class PendingRequests {
  readonly #pending = new Map<number, Pending>();
  #number = 0;

  /** Numbers a request. @param codec that what answers it is read with */
  add<T extends keyof Requests>(
    frame: Omit<Requests[T][0], "request">,
    codec: Codec,
    resolve: (answer: Requests[T][1]) => void,
    reject: (error: MessagingError) => void,
  ): Request {
    const request = ++this.#number;
    const numbered = { ...frame, request } as unknown as Request;
    const parts = numbered.type === "ask" ? new AnswerParts(numbered.question.kind, codec) : null;
    this.#pending.set(request, { answer: ANSWERS[numbered.type], parts, resolve, reject });
    return numbered;
  }
  /** @throws `PROTOCOL_VIOLATION` for what answers no request */
  answered(request: number, frame: ReadFrame): void {
    const pending = this.#pending.get(request);
    if (pending === undefined || (frame.type !== "refused" && frame.type !== pending.answer)) {
      const expected = pending === undefined ? "the answer to a request" : `"${pending.answer}"`;
      throw new MessagingError(
        "PROTOCOL_VIOLATION",
        `expected ${expected}, found "${frame.type}" for request ${request}`,
      );
    }
    const refusal = frame.type === "refused" ? fromWireError(frame.error) : null;
    const whole = refusal === null && frame.type === "answer" ? pending.parts?.add(frame) : frame;
    if (whole === null) return; // more of it follows
    this.#pending.delete(request); // not before it is read: else it would wait for ever
    if (refusal === null) pending.resolve(whole as never);
    else pending.reject(refusal);
  }
  /** It was not sent: refused on this side. False for a frame that is no request. */
  refuse(frame: Frame, error: MessagingError): boolean {
    const request = "request" in frame ? frame.request : null;
    const pending = request === null ? undefined : this.#pending.get(request);
    if (request === null || pending === undefined) return false;
    this.#pending.delete(request);
    pending.reject(error);
    return true;
  }
  rejectAll(error: MessagingError): void {
    for (const { reject } of this.#pending.values()) reject(error);
    this.#pending.clear();
  }
}
