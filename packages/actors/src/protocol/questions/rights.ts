// Which rights a question needs, by what it is about.
import type { Right } from "../../contracts/auth.ts";

/** Any one of them suffices. The first is named to whoever has none. */
export type AnyOf = readonly [Right, ...Right[]];

export const observe = (topic: string | null, group: string | null = null): Right => ({
  verb: "observe",
  topic,
  group,
});
/** What bodies need, beside what lists them. */
export const read = (topic: string, group: string): Right => ({ verb: "read", topic, group });
export const manage = (topic: string): Right => ({ verb: "manage", topic });
export const consume = (topic: string, group: string | null, consumer: string | null): Right => ({
  verb: "consume",
  topic,
  group,
  consumer,
});

type InTopic = { readonly topic: string };
type InGroup = InTopic & { readonly group: string };
export const toObserve = ({ topic }: InTopic): AnyOf => [observe(topic)];
export const toObserveGroup = ({ topic, group }: InGroup): AnyOf => [observe(topic, group)];
/** To see what is set aside. Bodies need `read`. */
export const toList = ({ topic, group }: InGroup): AnyOf => [observe(topic, group), read(topic, group), manage(topic)];
export const toManage = ({ topic }: InTopic): AnyOf => [manage(topic)];
