import { asMessagingError, isMessagingError, MessagingError } from "../message/errors.ts";
import { type AnswerOf, isAnswerOf } from "../protocol/frames/asking.ts";
import { type Answers, definitionOf, type Question, type QuestionKind } from "../protocol/questions.ts";
import { Backoff } from "../runtime/backoff.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { ClientEnvironment } from "./client-environment.ts";
import { nextLink } from "./connection.ts";
import type { Home } from "./connections.ts";

/** How long a question may take, a link to ask it on included, ms. */
const ASK_TIMEOUT_MS = 30_000;
/**
 * How often a question is asked anew whose link has ended over a limit (`tooLarge`, `overloaded`): it may be the answer
 * that nobody can take.
 */
const LIMITS_MET_MAX = 2;
/** Between two tries of what the broker has no turn for, ms at most. */
const AGAIN_MAX_MS = 10_000;

/**
 * Asks the broker: the one of the topic that it is about. What it refuses because too much is asked at once
 * (`LIMIT_EXCEEDED` with `retryInMs`) is asked again, later each time. A question is asked again when its link ends before
 * the answer (once only after a fault, `INTERNAL`, and twice over a limit, `LIMIT_EXCEEDED`); an order is not: its outcome
 * is then unknown (`OUTCOME_UNKNOWN`).
 * Rejects with the broker's error, the signal's reason, after 30 s with the limit that kept it from being answered, or else
 * `UNAVAILABLE` (a question that waits may do so for as long as it takes), or `CLOSED`.
 */
export function ask<Q extends Question>(
  environment: Asking,
  question: Q,
  signal?: AbortSignal,
): Promise<Answers[Q["kind"]]> {
  const at = (home: Home) => askAt(environment, home, question, signal);
  return "topic" in question ? environment.topics.ask(question.topic, at) : at(environment.home);
}
type Asking = Pick<ClientEnvironment, "home" | "linkTo" | "topics" | "runtime">;

async function askAt<Q extends Question>(
  { linkTo, runtime }: Asking,
  home: Home,
  question: Q,
  signal: AbortSignal | undefined,
): Promise<Answers[Q["kind"]]> {
  const connection = linkTo(home);
  const { effect, waits } = definitionOf(question.kind);
  const giveUp = new AbortController();
  const onAbort = (): void => giveUp.abort(signal?.reason);
  if (signal?.aborted === true) onAbort();
  signal?.addEventListener("abort", onAbort, { once: true });
  /** What it was refused with last, if it may be taken later. */
  let limited: MessagingError | null = null;
  let pace: Backoff | null = null;
  const timer =
    waits === true
      ? null
      : runtime.setTimeout(
          () =>
            giveUp.abort(
              limited ??
                new MessagingError(
                  "UNAVAILABLE",
                  `the broker did not answer "${question.kind}" within ${ASK_TIMEOUT_MS} ms`,
                ),
            ),
          ASK_TIMEOUT_MS,
        );
  let faults = 0;
  let limitsMet = 0;
  try {
    for (;;) {
      const link = await nextLink(connection, giveUp.signal);
      try {
        const answered = await abortable(link.request<"ask">({ type: "ask", question }), giveUp.signal);
        return answerTo<Q["kind"]>(question.kind, answered);
      } catch (thrown) {
        if (giveUp.signal.aborted) throw thrown;
        const { error, againMs } = looked(thrown);
        if (!isMessagingError(error)) link.fault(error, `the answer to "${question.kind}"`);
        else if (againMs !== null) {
          limited = error;
          pace ??= new Backoff(runtime, { initialMs: againMs, maxMs: AGAIN_MAX_MS });
          await abortable(pause(runtime, pace.next()), giveUp.signal);
          continue;
        } else if (link.open || error.code !== "UNAVAILABLE") throw error;
        if (effect === "order")
          throw new MessagingError(
            "OUTCOME_UNKNOWN",
            `the link ended before the broker answered "${question.kind}": whether it was done is not known`,
            { cause: error },
          );
        // it may be the question that a fault of the broker comes from: asked once more, and not for ever
        const fault = isMessagingError(error) ? error.cause : error;
        if (!isMessagingError(fault) || fault.code === "INTERNAL") faults++;
        if (faults > 1) throw fault;
        if (isMessagingError(fault, "LIMIT_EXCEEDED") && ++limitsMet > LIMITS_MET_MAX)
          throw new MessagingError(
            "LIMIT_EXCEEDED",
            `${limitsMet} links in a row ended over a limit while "${question.kind}" waited for its answer: ask for less at once, or of fewer queues`,
            { cause: fault, data: { question: question.kind, links: limitsMet } },
          );
      }
    }
  } catch (error) {
    throw signal?.aborted === true ? signal.reason : asMessagingError(error);
  } finally {
    if (timer !== null) runtime.clearTimeout(timer);
    signal?.removeEventListener("abort", onAbort);
  }
}

/**
 * What was thrown, and when the broker may take what it has refused with it, ms: nothing was done then, so that an
 * order may be given again, too. `null`: that it may is not said.
 */
function looked(error: unknown): { readonly error: unknown; readonly againMs: number | null } {
  try {
    const ms = isMessagingError(error, "LIMIT_EXCEEDED") ? error.data["retryInMs"] : null;
    return { error, againMs: typeof ms === "number" && ms >= 0 ? ms : null };
  } catch (fault) {
    return { error: fault, againMs: null }; // what came cannot be looked at: as any other fault
  }
}
function answerTo<Kind extends QuestionKind>(kind: Kind, answered: AnswerOf): Answers[Kind] {
  if (isAnswerOf(kind, answered)) return answered.answer;
  throw new TypeError(`the link answered "${answered.kind}" where "${kind}" was asked`);
}
const pause = (runtime: Runtime, ms: number): Promise<void> =>
  new Promise((resolve) => void runtime.setTimeout(resolve, ms));

/** The promise, or the signal's reason when that fires first. */
export function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    const leave = (): void => signal.removeEventListener("abort", abort);
    if (signal.aborted) abort();
    else signal.addEventListener("abort", abort, { once: true });
    promise.then(
      (value) => {
        leave();
        resolve(value);
      },
      (error: unknown) => {
        leave();
        reject(error);
      },
    );
  });
}
