import type { Check, Fields, LaterFields } from "../checks.ts";
import type { AnyOf } from "./rights.ts";

/** All there is to say of one kind of question but how it is answered: that stands in `broker/answer-question.ts`. */
export interface QuestionDefinition<Asked extends { readonly kind: string }, Answer> {
  readonly kind: Asked["kind"];
  /** A check for every field but `kind`. */
  readonly fields: Fields<Omit<Asked, "kind">> | LaterFields<Fields<Omit<Asked, "kind">>>;
  /** What an answer to it must be. It can be divided wherever this has a list (`answer-parts.ts`). */
  readonly answer: Check<Answer>;
  /** The rights of which whoever asks needs one. */
  needs(question: Asked): AnyOf;
  /**
   * What asking does: nothing ("reads"), the same however often it is asked ("idempotent"), or something each time
   * ("order"). A client asks again when its link ends before the answer; an order it does not give twice.
   */
  readonly effect: "reads" | "idempotent" | "order";
  /** Answered once something has happened: it may wait for as long as that takes. @default false */
  readonly waits?: true;
}
/** A question, by the type of what is asked and of its answer. */
export const question = <Asked extends { readonly kind: string }, Answer>(
  definition: QuestionDefinition<Asked, Answer>,
): QuestionDefinition<Asked, Answer> => definition;
