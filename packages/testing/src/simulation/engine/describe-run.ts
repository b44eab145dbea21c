import type { FaultPlan, RunPlan } from "./fault-plan.ts";

/** What every plan has, in lines for people: the broker, the network, what a run adds, the faults. */
export function describeRun(
  { seed, broker, network, faults }: RunPlan,
  of: {
    readonly about: string;
    readonly lines: readonly string[];
    /** A star at each of these faults. @default nowhere, and no room for it */
    readonly marked?: readonly FaultPlan[];
    readonly nameOf?: (fault: FaultPlan) => string;
  },
): string {
  const { about, lines, marked, nameOf = ({ kind }) => kind } = of;
  return [
    `seed ${seed}: ${about}`,
    `  broker ${fields(broker)}`,
    `  network ${fields(network)}`,
    ...lines,
    ...faults.map((fault) => {
      const { atMs, kind: _, ...rest } = fault;
      const star = marked?.includes(fault) === true ? "*" : " ";
      return `${star} at ${atMs} ms: ${nameOf(fault)} ${fields(rest)}`;
    }),
  ]
    .map((line) => line.trimEnd())
    .join("\n");
}
export const fields = (of: object): string =>
  Object.entries(of)
    .map(([name, value]) => `${name}=${String(value)}`)
    .join(" ");
