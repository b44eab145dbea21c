import type { MessagingError } from "../../message/errors.ts";
import { definitionOf, type QuestionOf } from "../../protocol/questions.ts";
import { Departure } from "../../runtime/departure.ts";
import type { Group } from "../group.ts";
import type { ReachedWaits } from "../reached-waits.ts";
import type { By } from "./answering.ts";

/**
 * Has no turn: it costs less than reading the question did, and may then wait for days, as long as its right lasts. Not
 * `async`, and no closure takes hold of the question, since that would keep it, with thousands of ends, for as long.
 */
export function whenReached(
  waits: ReachedWaits,
  group: Group,
  question: QuestionOf<"reached">,
  { asker, rights }: By,
): Promise<null> {
  const left = new Departure();
  const why: { refusal: MessagingError | null } = { refusal: null };
  const stops: (() => void)[] = [];
  const stop = (): void => {
    for (const each of stops) each();
  };
  try {
    const watched = rights.watch(definitionOf("reached").needs(question), (refusal) => {
      if (refusal === null) return;
      why.refusal = refusal;
      left.happen();
    });
    stops.push(
      watched,
      asker.departure.when(() => left.happen()),
    );
    return waits
      .wait(asker, group, question.ends, left)
      .finally(stop)
      .then(() => {
        if (why.refusal !== null) throw why.refusal;
        return null;
      });
  } catch (error) {
    stop();
    return Promise.reject(error);
  }
}
