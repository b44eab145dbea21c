import type { Row } from "../frame/row.ts";
import { backlog, oneSided, startUp } from "./backlog.ts";
import { bodies } from "./bodies.ts";
import { cost } from "./cost.ts";
import { costs } from "./costs.ts";
import type { Extent } from "./extent.ts";
import { failOver } from "./fail-over.ts";
import { latency } from "./latency.ts";
import { consumers, idle, resources } from "./many.ts";
import { size } from "./size.ts";
import { throughput } from "./throughput.ts";

/** What runs when nothing is asked for. */
export const USUAL = "throughput,latency";
export const ALL = "all";

/** The rows of each scenario. */
export const scenariosOf = (extent: Extent): Readonly<Record<string, readonly Row[]>> => ({
  throughput,
  latency: latency(extent),
  bodies,
  consumers,
  cost: cost(extent),
  costs: costs(extent),
  "one-sided": oneSided,
  size: size(extent),
  backlog: backlog(extent),
  "start-up": startUp(extent),
  "fail-over": failOver,
  idle: idle(extent),
  resources,
});
/** @throws RangeError for a name that is none of them */
export function rowsOf(names: string, extent: Extent): readonly Row[] {
  const scenarios = scenariosOf(extent);
  return names.split(",").flatMap((name) => {
    if (name.trim() === ALL) return Object.values(scenarios).flat();
    const rows = scenarios[name.trim()];
    if (rows !== undefined) return rows;
    throw new RangeError(`which scenario? expected ${[...Object.keys(scenarios), ALL].join(", ")}, found "${name}"`);
  });
}
