import { find } from "./frame/programs.ts";
import type { Row } from "./frame/row.ts";
import { LOAD, type Load } from "./frame/system.ts";
import type { Options } from "./options.ts";
import type { Report } from "./report/figures.ts";
import { rowsOf } from "./scenarios/scenarios.ts";

/** The program behind `resources` belongs to the commit it measures, and `cost` is held against bars within the run. */
const ALONE: ReadonlySet<string> = new Set(["resources", "cost"]);

export interface Selection {
  /** What was asked for. */
  readonly chosen: readonly Row[];
  /** Those of them that can run here. */
  readonly rows: readonly Row[];
  readonly skipped: Report["skipped"];
}
/** @throws RangeError for a scenario that is none */
export function select(options: Options): Selection {
  const { scenario, only, against, peers } = options;
  const texts = only?.split(";").map((text) => text.trim().toLowerCase());
  const chosen = rowsOf(scenario, options)
    .filter(({ name }) => texts?.some((text) => name.toLowerCase().includes(text)) ?? true)
    .filter(({ ours, way }) => against === undefined || (ours ? !ALONE.has(way ?? "") : peers === true));
  return {
    chosen,
    rows: chosen.filter((row) => !missing(row)),
    skipped: chosen.filter(missing).map((row) => ({ row: row.name, debianPackage: row.program?.debianPackage ?? "" })),
  };
}
export const missing = ({ program }: Row): boolean => program !== undefined && find(program) === undefined;

export function loadOf({ share = 1, load }: Row, options: Options): Load {
  const { bytes, keys, queues, window } = options;
  const own = { messages: Math.max(1, Math.round(options.messages * share)), ...load };
  const warmUp = Math.round((own.messages * options.warmUp) / 100);
  return { ...LOAD, warmUp, bytes, keys, queues, window, ...own };
}
