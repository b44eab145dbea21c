import type { GroupPlan, Plan, TopicPlan } from "./plan.ts";

/** A plan that was frozen when there were fewer fields. */
export type FrozenPlan = Omit<Plan, "topics"> & {
  readonly topics: readonly (Omit<TopicPlan, "groups" | NewInTopics> &
    Partial<Pick<TopicPlan, NewInTopics>> & {
      readonly groups: readonly (Omit<GroupPlan, NewInGroups> & Partial<Pick<GroupPlan, NewInGroups>>)[];
    })[];
};
type NewInTopics = "ordered";
type NewInGroups = "killerRate" | "killsMax" | "startAt" | "joinsAtMs" | "emitsTo";

/** Fields that came later say what was the case before they did. */
export const completePlan = (plan: FrozenPlan): Plan => ({
  ...plan,
  topics: plan.topics.map((topic) => ({
    ordered: true,
    ...topic,
    groups: topic.groups.map((group) => ({
      killerRate: 0,
      killsMax: 0,
      startAt: "earliest" as const,
      joinsAtMs: 0,
      emitsTo: null,
      ...group,
    })),
  })),
});
