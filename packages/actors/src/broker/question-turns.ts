import { limitExceeded, MessagingError } from "../message/errors.ts";
import { quoted } from "../message/text.ts";
import type { Departure } from "../runtime/departure.ts";
import type { Runtime } from "../runtime/runtime.ts";

/** Who asks: a link's client, or the program that the broker is a part of. */
export interface Asker {
  readonly principal: string;
  /** It has gone: nobody waits for its answers any more. */
  readonly departure: Departure;
  /** So much waits on its link that another answer would wait there, too: its questions wait instead. */
  readonly congested: boolean;
  onDrained(resume: () => void): void;
}
/** The turn of one question. */
export interface QuestionTurn {
  /**
   * Lets everything else have the event loop before the work goes on. Rejects (`CLOSED`) once nobody waits for the
   * answer any more.
   */
  rest(): Promise<void>;
}
export interface QuestionTurnsOptions {
  /** Questions that are worked on side by side. @default 2 */
  readonly atOnce?: number;
  /** Questions of one principal that wait, at most. @default 4_000 */
  readonly waitingMax?: number;
  /** Of all principals. @default 16_000 */
  readonly waitingInAllMax?: number;
}
/** When it is worth asking again, ms. */
export const RETRY_IN_MS = 1_000;

type State = "waiting" | "working" | "over";
interface Asked {
  readonly line: Line;
  readonly question: string;
  readonly work: (turn: QuestionTurn) => Promise<unknown>;
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: unknown) => void;
  state: State;
}
/** What one asker has no answer to. */
interface Line {
  readonly asker: Asker;
  readonly share: Share;
  readonly waiting: Set<Asked>;
  readonly working: Set<Asked>;
  stopWatching: () => void;
  isClosed: boolean;
}
/** What all links of one principal ask. */
interface Share {
  readonly principal: string;
  /** Lines with a question that may have its turn: the first is next. */
  readonly ready: Set<Line>;
  /** By what is asked. */
  readonly same: Map<string, Set<Asked>>;
  lines: number;
  waiting: number;
}

/**
 * Heavy questions take turns (rule 42): few of a broker's are worked on side by side, by turns those of each
 * principal, and of each of its links, however many one of them asks. What one principal asks several times before
 * the work on it begins is worked out once. What a link that does not read asks waits until it does.
 */
export class QuestionTurns {
  readonly #runtime: Pick<Runtime, "atTurnEnd">;
  readonly #atOnce: number;
  readonly #waitingMax: number;
  readonly #waitingInAllMax: number;
  /** The one whose turn it is comes first. */
  readonly #shares = new Map<string, Share>();
  readonly #lines = new Map<Asker, Line>();
  #waiting = 0;
  #working = 0;

  constructor(runtime: Pick<Runtime, "atTurnEnd">, options: QuestionTurnsOptions = {}) {
    this.#runtime = runtime;
    this.#atOnce = options.atOnce ?? 2;
    this.#waitingMax = options.waitingMax ?? 4_000;
    this.#waitingInAllMax = options.waitingInAllMax ?? 16_000;
  }
  /** Questions that have no turn yet. */
  get waiting(): number {
    return this.#waiting;
  }
  /** Questions that are worked on. */
  get working(): number {
    return this.#working;
  }

  /**
   * Works on a question in its turn. `question`: what is asked, the same text for the same question. Rejects with
   * what `work` throws, with `LIMIT_EXCEEDED` (`retryInMs`) when too many wait, and with `CLOSED` when the asker has
   * gone.
   */
  ask<T>(asker: Asker, question: string, work: (turn: QuestionTurn) => Promise<T>): Promise<T> {
    const { principal } = asker;
    const waiting = this.#shares.get(principal)?.waiting ?? 0;
    if (waiting >= this.#waitingMax)
      return Promise.reject(tooMany("questionsMax", this.#waitingMax, `${quoted(principal)} has`));
    if (this.#waiting >= this.#waitingInAllMax)
      return Promise.reject(tooMany("questionsInAllMax", this.#waitingInAllMax, "all clients together have"));
    return new Promise<T>((resolve, reject) => {
      const line = this.#lines.get(asker) ?? this.#open(asker);
      if (line.isClosed) return reject(gone());
      const asked: Asked = { line, question, work, resolve: resolve as never, reject, state: "waiting" };
      this.#wait(asked);
      this.#fill();
    });
  }

  #open(asker: Asker): Line {
    const { principal } = asker;
    const share = this.#shares.get(principal) ?? { principal, ready: new Set(), same: new Map(), lines: 0, waiting: 0 };
    this.#shares.set(principal, share);
    share.lines++;
    const empty = { waiting: new Set<Asked>(), working: new Set<Asked>() };
    const line: Line = { asker, share, ...empty, stopWatching: () => {}, isClosed: false };
    this.#lines.set(asker, line);
    line.stopWatching = asker.departure.when(() => this.#left(line));
    return line;
  }
  #wait(asked: Asked): void {
    const { line, question } = asked;
    const { share } = line;
    asked.state = "waiting";
    line.waiting.add(asked);
    if (line.waiting.size === 1) share.ready.add(line);
    const same = share.same.get(question);
    if (same === undefined) share.same.set(question, new Set([asked]));
    else same.add(asked);
    share.waiting++;
    this.#waiting++;
  }
  /** It waits no longer: it is worked on, or over. */
  #take(asked: Asked, state: Exclude<State, "waiting">): void {
    const { line, question } = asked;
    const { share } = line;
    asked.state = state;
    line.waiting.delete(asked);
    if (line.waiting.size === 0) share.ready.delete(line);
    const same = share.same.get(question);
    same?.delete(asked);
    if (same?.size === 0) share.same.delete(question);
    share.waiting--;
    this.#waiting--;
  }
  #begin(asked: Asked): void {
    this.#take(asked, "working");
    asked.line.working.add(asked);
  }
  /** Whoever asked has gone: what waits is forgotten, what is worked on stops at its next rest. */
  #left(line: Line): void {
    for (const asked of line.waiting) {
      this.#take(asked, "over");
      asked.reject(gone());
    }
    for (const asked of line.working) {
      asked.state = "over";
      asked.reject(gone());
    }
    line.working.clear();
    this.#closeIfIdle(line);
  }
  #closeIfIdle(line: Line): void {
    if (line.isClosed || line.waiting.size + line.working.size > 0) return;
    line.isClosed = true;
    line.stopWatching();
    this.#lines.delete(line.asker);
    if (--line.share.lines === 0) this.#shares.delete(line.share.principal);
  }

  #fill(): void {
    while (this.#working < this.#atOnce) {
      const next = this.#next();
      if (next === undefined) return;
      this.#working++;
      void this.#turn(next).finally(() => {
        this.#working--;
        this.#fill();
      });
    }
  }
  /** The next question: of the next principal, of its next link that reads. */
  #next(): Asked | undefined {
    for (const share of this.#shares.values())
      for (const line of share.ready) {
        if (line.asker.congested) {
          this.#hold(line);
          continue;
        }
        const [asked] = line.waiting;
        if (asked === undefined) continue;
        this.#shares.delete(share.principal);
        this.#shares.set(share.principal, share); // the last
        share.ready.delete(line);
        share.ready.add(line);
        this.#begin(asked);
        return asked;
      }
    return undefined;
  }
  #hold(line: Line): void {
    line.share.ready.delete(line);
    line.asker.onDrained(() => {
      if (line.waiting.size > 0) line.share.ready.add(line);
      this.#fill();
    });
  }
  async #turn(first: Asked): Promise<void> {
    const together = [first, ...(first.line.share.same.get(first.question) ?? [])];
    for (const asked of together.slice(1)) this.#begin(asked);
    const turn: QuestionTurn = {
      rest: async () => {
        await this.#turnEnd();
        if (together.every(({ state }) => state === "over")) throw gone();
      },
    };
    let settle: (asked: Asked) => void;
    try {
      const answer = await first.work(turn);
      settle = ({ resolve }) => resolve(answer);
    } catch (error) {
      settle = ({ reject }) => reject(error);
    }
    for (const asked of together) {
      if (asked.state === "over") continue;
      const { line } = asked;
      line.working.delete(asked);
      if (asked !== first && line.asker.congested) {
        this.#wait(asked); // it does not read what it has been told meanwhile
        continue;
      }
      asked.state = "over";
      settle(asked);
      this.#closeIfIdle(line);
      await this.#turnEnd(); // each answer is written by itself
    }
  }
  #turnEnd(): Promise<void> {
    return new Promise((resolve) => this.#runtime.atTurnEnd(resolve));
  }
}
const tooMany = (limit: string, most: number, who: string): MessagingError =>
  limitExceeded(limit, most, `${who} ${most} questions that wait for their turn`, "ask for less at once", RETRY_IN_MS);
const gone = (): MessagingError<"CLOSED"> =>
  new MessagingError("CLOSED", "whoever asked has gone: its question is not worked on any more");
