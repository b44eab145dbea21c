import type { BrokerState } from "./broker.machine.ts";
import type { BrokerScope } from "./broker-scope.ts";
import type { QuestionTurns } from "./question-turns.ts";
import type { ReachedWaits } from "./reached-waits.ts";
import type { Topics } from "./topics.ts";

/** A broker, as what its clients say and ask is about. */
export interface ServedBroker {
  readonly scope: BrokerScope;
  readonly topics: Topics;
  /** Heavy questions have theirs one after another. */
  readonly turns: QuestionTurns;
  readonly reachedWaits: ReachedWaits;
  state(): BrokerState;
}
