import type { Plan } from "@seriatim/testing";

type TopicPlan = Plan["topics"][number];
type GroupPlan = TopicPlan["groups"][number];
type ProducerPlan = Plan["producers"][number];

/** A plan that was frozen when there were fewer fields. */
export type FrozenPlan = Omit<Plan, "topics" | "producers"> & {
  readonly producers: readonly (Omit<ProducerPlan, NewInProducers> & Partial<Pick<ProducerPlan, NewInProducers>>)[];
  readonly topics: readonly (Omit<TopicPlan, "groups" | NewInTopics> &
    Partial<Pick<TopicPlan, NewInTopics>> & {
      readonly groups: readonly (Omit<GroupPlan, NewInGroups> & Partial<Pick<GroupPlan, NewInGroups>>)[];
    })[];
};
type NewInTopics = "ordered";
type NewInProducers = "resends";
type NewInGroups = "killerRate" | "killsMax" | "startAt" | "joinsAtMs" | "emitsTo";

/** Fields that came later say what was the case before they did. */
export const completePlan = (plan: FrozenPlan): Plan => ({
  ...plan,
  producers: plan.producers.map((producer) => ({ resends: true, ...producer })),
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
