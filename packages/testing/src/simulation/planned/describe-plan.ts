import type { Plan } from "./plan.ts";

/** A plan in lines, for people. */
export function describePlan(plan: Plan): string {
  const { seed, broker, network, load } = plan;
  const lines = [
    `seed ${seed}: ${load.messages} messages over ${load.overMs} ms`,
    `  broker ${fields(broker)}`,
    `  network ${fields(network)}`,
  ];
  for (const { groups, name, ...topic } of plan.topics) {
    lines.push(`  ${name} ${fields(topic)}`);
    for (const { name: group, ...settings } of groups) lines.push(`    ${group} ${fields(settings)}`);
  }
  for (const { name, ...producer } of plan.producers) lines.push(`  ${name} ${fields(producer)}`);
  for (const { name, startsAtMs, memberships } of plan.consumers)
    lines.push(
      `  ${name} from ${startsAtMs} ms in ${memberships.map((in_) => `${in_.topic}/${in_.group}`).join(", ")}`,
    );
  for (const { atMs, kind, ...fault } of plan.faults) lines.push(`  at ${atMs} ms: ${kind} ${fields(fault)}`);
  for (const { atMs, order, ...of } of plan.orders) lines.push(`  at ${atMs} ms: order ${order} ${fields(of)}`);
  return lines.join("\n");
}

const fields = (of: object): string =>
  Object.entries(of)
    .map(([name, value]) => `${name}=${String(value)}`)
    .join(" ");
