import { describeRun, fields } from "../engine/describe-run.ts";
import type { Plan } from "./plan.ts";

/** A plan in lines, for people. */
export function describePlan(plan: Plan): string {
  const { topics, producers, consumers, load, orders } = plan;
  const lines = topics.flatMap(({ groups, name, ...topic }) => [
    `  ${name} ${fields(topic)}`,
    ...groups.map(({ name: group, ...settings }) => `    ${group} ${fields(settings)}`),
  ]);
  for (const { name, ...producer } of producers) lines.push(`  ${name} ${fields(producer)}`);
  for (const { name, startsAtMs, memberships } of consumers)
    lines.push(`  ${name} from ${startsAtMs} ms in ${memberships.map((of) => `${of.topic}/${of.group}`).join(", ")}`);
  for (const { atMs, order, ...of } of orders) lines.push(`  at ${atMs} ms: order ${order} ${fields(of)}`);
  return describeRun(plan, { about: `${load.messages} messages over ${load.overMs} ms`, lines });
}
