import type { Actor } from "xstate";
import type { LinkCode } from "../contracts/transport.ts";
import type { MessagingError } from "../message/errors.ts";
import { ownFault } from "../protocol/own-fault.ts";
import type { BrokerScope } from "./broker-scope.ts";
import { type Goodbye, type SessionState, sessionMachine } from "./session.machine.ts";

/** What a session does once its machine has decided it. */
export interface SessionSteps {
  opened(): void;
  closing(goodbye: Goodbye): void;
  abandoned(): void;
}

/** Whether one session is open, as its machine decides, and what ends it. All parts of the session have it. */
export class SessionLife {
  readonly path: string;
  /** The machine's state: a field, since it is looked at for each frame. */
  #state: SessionState = "handshaking";
  readonly #scope: Pick<BrokerScope, "actors" | "runtime" | "logger">;
  readonly #machine: Actor<typeof sessionMachine>;

  constructor(scope: Pick<BrokerScope, "actors" | "runtime" | "logger">, path: string, steps: SessionSteps) {
    this.#scope = scope;
    this.path = path;
    const closing = (goodbye: Goodbye): void => {
      this.#state = "closing";
      this.contain("ending", () => steps.closing(goodbye));
    };
    // without its machine nothing would end it any more
    const failed = (error: unknown) => closing({ error: this.#ownFault(error, "its machine"), code: "internal" });
    this.#machine = scope.actors.start({ kind: "session", path, failed }, sessionMachine, {});
    this.#machine.on("session.opened", () => {
      this.#state = "open";
      this.contain("hello", () => steps.opened());
    });
    this.#machine.on("session.closing", closing);
    this.#machine.on("session.abandoned", () => {
      this.#state = "closing";
      this.contain("ending", () => steps.abandoned());
    });
  }
  /** Its client is known, and has not been told goodbye. */
  get isOpen(): boolean {
    return this.#state === "open";
  }
  /** Nothing more that comes is processed. */
  get isOver(): boolean {
    return this.#state === "closing" || this.#state === "ended";
  }
  /** The client's hello is accepted. */
  open(): void {
    this.#machine.send({ type: "hello.accepted" });
  }
  /** Says why and ends the link; nothing more of it is processed. Never throws. */
  close(error: MessagingError | null, code: LinkCode): void {
    if (!this.isOver) this.#machine.send({ type: "session.close", error, code });
  }
  /** Ends the link without a word: nobody is there to hear one. */
  abandon(): void {
    if (!this.isOver) this.#machine.send({ type: "session.abandon" });
  }
  ended(): void {
    this.#state = "ended";
    if (this.#machine.getSnapshot().status === "active") this.#machine.send({ type: "link.ended" });
  }
  /**
   * Something of ours threw, for this link: the link ends, and its client learns where the log has it, nothing more.
   * Never throws.
   */
  fault(error: unknown, doing: string): void {
    this.close(this.#ownFault(error, doing), "internal");
  }
  #ownFault(error: unknown, doing: string): MessagingError {
    const { runtime, logger } = this.#scope;
    return ownFault({ at: "broker", path: this.path, runtime, logger }, error, doing);
  }
  /** Runs a step of this link; what it throws is a fault. Never throws. */
  contain(doing: string, step: () => void): void {
    try {
      step();
    } catch (error) {
      this.fault(error, doing);
    }
  }
}
