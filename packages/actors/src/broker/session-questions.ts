import { limitExceeded } from "../message/errors.ts";
import type { AnyAnswer } from "../protocol/answer-parts.ts";
import type { Ask, TopicFind } from "../protocol/frames.ts";
import type { Question } from "../protocol/questions.ts";
import type { Departure } from "../runtime/departure.ts";
import type { Drain } from "./drain.ts";
import { type Asker, RETRY_IN_MS } from "./question-turns.ts";
import type { TopicHome } from "./topic-home.ts";

/** Questions of a link that wait for their answer, at most: some wait for a cursor, for as long as it takes. */
const ASKED_MAX = 1_000;
/** And about their bytes. */
const ASKED_BYTES_MAX = 64 * 1024 * 1024;
/** Routes that a link has asked for and that wait until it reads, at most. */
const FINDS_MAX = 1_000;

/** What its session does for it. */
export interface AskingSession {
  readonly principal: string;
  readonly departure: Departure;
  /** @throws `TOPIC_UNKNOWN` */
  topic(name: string): TopicHome;
  work(question: Question): Promise<unknown>;
  /** Resolves once the link has taken it. @throws `LIMIT_EXCEEDED` where it does not fit */
  answer(request: number, kind: Question["kind"], answer: AnyAnswer): Promise<void>;
  found(request: number, topic: TopicHome): void;
  refuse(request: number, error: unknown, doing: string): void;
  fault(error: unknown, doing: string): void;
}

/** What one link asks: how much of it may wait, and that answers wait for a link that does not read them. */
export class SessionQuestions implements Asker {
  readonly #session: AskingSession;
  readonly #drain: Drain;
  #asked = 0;
  #askedBytes = 0;
  /** Finds that are answered once the link has drained. */
  #finds: { readonly request: number; readonly topic: TopicHome }[] = [];

  constructor(session: AskingSession, drain: Drain) {
    this.#session = session;
    this.#drain = drain;
  }
  get principal(): string {
    return this.#session.principal;
  }
  get departure(): Departure {
    return this.#session.departure;
  }
  get congested(): boolean {
    return this.#drain.congested;
  }
  onDrained(goOn: () => void): void {
    this.#drain.whenDrained(goOn);
  }

  /** @throws `LIMIT_EXCEEDED` */
  ask({ request, question }: Ask): void {
    if (this.#asked >= ASKED_MAX)
      throw limitExceeded(
        "askedMax",
        ASKED_MAX,
        `this link has ${ASKED_MAX} questions without an answer`,
        "ask for less at once: `caughtUp()` waits, too",
        RETRY_IN_MS,
      );
    const bytes = question.kind === "aside.replace" ? question.message.length : 0;
    if (this.#askedBytes > 0 && this.#askedBytes + bytes > ASKED_BYTES_MAX)
      throw limitExceeded(
        "askedBytesMax",
        ASKED_BYTES_MAX,
        `questions of this link hold ${this.#askedBytes} bytes of ${ASKED_BYTES_MAX}`,
        "replace less at once",
        RETRY_IN_MS,
      );
    this.#asked++;
    this.#askedBytes += bytes;
    const doing = `ask "${question.kind}"`;
    this.#session
      .work(question)
      .then((answer) => this.#session.answer(request, question.kind, answer as AnyAnswer))
      .finally(() => {
        this.#asked--;
        this.#askedBytes -= bytes;
      })
      .catch((error: unknown) => this.#session.refuse(request, error, doing))
      .catch((error: unknown) => this.#session.fault(error, doing));
  }

  /** Answered at once, or, where the link does not read, when it does. @throws `TOPIC_UNKNOWN` `LIMIT_EXCEEDED` */
  find({ request, topic: name }: TopicFind): void {
    const topic = this.#session.topic(name);
    if (this.#finds.length === 0 && !this.congested) {
      this.#session.found(request, topic);
      return;
    }
    if (this.#finds.length >= FINDS_MAX)
      throw limitExceeded(
        "findsMax",
        FINDS_MAX,
        `this link has asked for ${FINDS_MAX} routes that it has not read`,
        "read what was asked for first",
        RETRY_IN_MS,
      );
    this.#finds.push({ request, topic });
    if (this.#finds.length === 1) this.onDrained(() => this.#findOn());
  }
  #findOn(): void {
    let answered = 0;
    for (const { request, topic } of this.#finds) {
      if (this.congested) break;
      this.#session.found(request, topic);
      answered++;
    }
    this.#finds = this.#finds.slice(answered);
    if (this.#finds.length > 0) this.onDrained(() => this.#findOn());
  }
}
