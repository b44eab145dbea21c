// Questions and orders of people and tools.
import { anything, optional, since, yesOrNo } from "../checks.ts";
import { natural } from "../field-checks.ts";
import { type Answers, type Question, type QuestionKind, question } from "../questions.ts";
import { frame } from "./definition.ts";

/** C, anything a person or tool asks or orders; answered by `answer` or `refused`. */
export interface Ask {
  readonly type: "ask";
  readonly request: number;
  readonly question: Question;
}
export const ask = frame<Ask>({ type: "ask", fields: { request: natural, question } });

/**
 * B, answers `ask`; one that is too large for a frame comes in parts. On a link it does not say what it answers:
 * whoever asked knows that, and looks at it then (`Codec.answerTo`).
 */
export interface Answer {
  readonly type: "answer";
  readonly request: number;
  readonly answer: unknown;
  /**
   * Since version 2. More parts follow, each an answer to the same question that lists what comes next
   * (`answer-parts.ts`). @default false
   */
  readonly more?: boolean;
}
/** An answer of which it is known what it answers: as it is sent, and as whoever asked has it. */
export interface AnswerOf<Kind extends QuestionKind = QuestionKind> extends Answer {
  /** Of the question. Stays here: it is not sent. */
  readonly kind: Kind;
  readonly answer: Answers[Kind];
}
export const answer = frame<Answer>({
  type: "answer",
  fields: { request: natural, answer: anything, more: since(2, optional(yesOrNo)) },
});
export const isAnswerOf = <Kind extends QuestionKind>(kind: Kind, answer: AnswerOf): answer is AnswerOf<Kind> =>
  answer.kind === kind;
