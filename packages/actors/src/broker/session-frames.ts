import { MessagingError } from "../message/errors.ts";
import { withCutFailure, withCutReason } from "../protocol/cut-texts.ts";
import type { AsidePut, ClientFrame, Frame, LeaseAcquire, LeaseRaise, LeaseRelease } from "../protocol/frames.ts";
import { Heartbeats } from "./heartbeats.ts";
import { toFind } from "./needed-rights.ts";
import { SessionLanes } from "./session-lanes.ts";
import { SessionMembers } from "./session-members.ts";
import { SessionQuestions } from "./session-questions.ts";
import type { SessionScope } from "./session-scope.ts";

/** What the frames of a known client ask for, each where it is dealt with. */
export class SessionFrames {
  readonly lanes: SessionLanes;
  readonly #session: SessionScope;
  readonly #members: SessionMembers;
  readonly #questions: SessionQuestions;
  readonly #heartbeats: Heartbeats;

  constructor(session: SessionScope) {
    this.#session = session;
    this.lanes = new SessionLanes(session);
    this.#members = new SessionMembers(session);
    this.#questions = new SessionQuestions(session);
    this.#heartbeats = new Heartbeats(session, this.#members);
  }
  handle(frame: Frame): void {
    if (frame.type === "heartbeat") {
      this.#heartbeats.take(frame);
      return;
    }
    this.#heartbeats.judge();
    if (!this.#session.life.isOver) this.#dispatch(frame as ClientFrame);
  }
  /** No frame follows for now. */
  rest(): void {
    this.#heartbeats.judge();
  }
  #dispatch(frame: ClientFrame): void {
    const { sender, rights, life } = this.#session;
    switch (frame.type) {
      case "batch.append":
        this.lanes.append(frame);
        return;
      case "credit":
        this.#members.credit(frame);
        return;
      case "settle":
        this.#members.settle(frame);
        return;
      case "lane.open":
        this.lanes.open(frame);
        return;
      case "lane.close":
        this.lanes.close(frame.lane);
        return;
      case "topic.find":
        sender.answering(frame, () => {
          rights.require(toFind(frame));
          this.#questions.find(frame);
        });
        return;
      case "member.join":
        void this.#members.join(frame);
        return;
      case "member.leave":
        this.#members.leave(frame.member);
        return;
      case "lease.acquire":
      case "lease.raise":
      case "lease.release":
      case "aside.put":
        sender.answering(frame, () => this.#onSubscription(frame));
        return;
      case "ask":
        sender.answering(frame, () => this.#questions.ask(withCutReason(frame)));
        return;
      case "goodbye":
        life.close(null, "normal");
        return;
      case "hello":
        throw new MessagingError("PROTOCOL_VIOLATION", "a second hello came on one link");
      default:
        throw new MessagingError("PROTOCOL_VIOLATION", `a client must not send "${(frame as Frame).type}"`);
    }
  }
  #onSubscription(frame: LeaseAcquire | LeaseRaise | LeaseRelease | AsidePut): void {
    const member = this.#members.get(frame.member);
    const subscription = member.group.subscription(frame.queue);
    if (subscription === undefined)
      throw new MessagingError("PROTOCOL_VIOLATION", `queue ${frame.queue} is none of this broker's`);
    if (frame.type === "lease.acquire") subscription.acquire(member.port, frame);
    else if (frame.type === "lease.raise") subscription.raise(member.port, frame);
    else if (frame.type === "lease.release") subscription.release(member.port, frame);
    else subscription.asidePut(member.port, withCutFailure(frame));
  }
  /** The link was silent, and is heard again. */
  heardAgain(): void {
    this.#members.heardAgain();
  }
  /** Nothing of the link goes on. */
  leave(): void {
    this.lanes.closeAll();
    this.#members.linkEnded();
  }
}
