import type { QueueAccount } from "../../protocol/questions.ts";
import type { Group } from "../group.ts";
import type { QuestionTurn } from "../question-turns.ts";
import type { TopicHome } from "../topic-home.ts";

/** Queues looked at before the loop is let go. */
const LOOKED_AT_ONCE = 64;

export async function accountFor(topic: TopicHome, group: Group, turn: QuestionTurn): Promise<readonly QueueAccount[]> {
  const accounts: QueueAccount[] = [];
  for (const { index } of topic.queues) {
    if (index % LOOKED_AT_ONCE === LOOKED_AT_ONCE - 1) await turn.rest();
    const subscription = group.subscription(index);
    if (subscription !== undefined) accounts.push(subscription.account());
  }
  return accounts;
}
