import { limitExceeded } from "../message/errors.ts";
import type { Ask, TopicFind } from "../protocol/frames.ts";
import type { Departure } from "../runtime/departure.ts";
import { answerQuestion } from "./answer-question.ts";
import { type Asker, RETRY_IN_MS } from "./question-turns.ts";
import type { SessionScope } from "./session-scope.ts";
import type { TopicHome } from "./topic-home.ts";

/** Questions of a link that wait for their answer, at most: some wait for a cursor, for as long as it takes. */
const ASKED_MAX = 1_000;
/** And about their bytes. */
const ASKED_BYTES_MAX = 64 * 1024 * 1024;
/** Routes that a link has asked for and that wait until it reads, at most. */
const FINDS_MAX = 1_000;

/** What one link asks: how much of it may wait, and that answers wait for a link that does not read them. */
export class SessionQuestions implements Asker {
  readonly #session: SessionScope;
  #asked = 0;
  #askedBytes = 0;
  /** Finds that are answered once the link has drained. */
  #finds: { readonly request: number; readonly topic: TopicHome }[] = [];

  constructor(session: SessionScope) {
    this.#session = session;
  }
  get principal(): string {
    return this.#session.link.principal.id;
  }
  get departure(): Departure {
    return this.#session.departure;
  }
  get congested(): boolean {
    return this.#session.sender.drain.congested;
  }
  onDrained(resume: () => void): void {
    this.#session.sender.drain.whenDrained(resume);
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
    const bytes = "message" in question ? question.message.length : 0;
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
    const { rights, sender, life } = this.#session;
    answerQuestion(this.#session, question, { asker: this, rights })
      .then((answer) => sender.answer(request, question.kind, answer))
      .finally(() => {
        this.#asked--;
        this.#askedBytes -= bytes;
      })
      .catch((error: unknown) => sender.refuseRequest(request, error, doing))
      .catch((error: unknown) => life.fault(error, doing));
  }

  /** Answered at once, or, where the link does not read, when it does. @throws `TOPIC_UNKNOWN` `LIMIT_EXCEEDED` */
  find({ request, topic: name }: TopicFind): void {
    const topic = this.#session.topics.require(name);
    if (this.#finds.length === 0 && !this.congested) {
      this.#found(request, topic);
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
  #found(request: number, { route, spec }: TopicHome): void {
    this.#session.sender.send({ type: "topic.found", request, route, spec });
  }
  #findOn(): void {
    let answered = 0;
    for (const { request, topic } of this.#finds) {
      if (this.congested) break;
      this.#found(request, topic);
      answered++;
    }
    this.#finds = this.#finds.slice(answered);
    if (this.#finds.length > 0) this.onDrained(() => this.#findOn());
  }
}
