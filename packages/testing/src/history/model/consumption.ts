import type { HandledEvent } from "../history-event.ts";
import type { ConsumptionLine } from "./lines.ts";
import type { Consumption } from "./queue-log.ts";

export function linesOf<Type extends ConsumptionLine["type"]>(
  consumption: Consumption | undefined,
  type: Type,
): Extract<ConsumptionLine, { type: Type }>[] {
  const found: Extract<ConsumptionLine, { type: Type }>[] = [];
  for (const line of consumption?.lines ?? []) if (isOfType(line, type)) found.push(line);
  return found;
}
function isOfType<Type extends ConsumptionLine["type"]>(
  line: ConsumptionLine,
  type: Type,
): line is Extract<ConsumptionLine, { type: Type }> {
  return line.type === type;
}

/** Handlings that ended well and count: what an abandoned attempt still says is refused by its own consumer. */
export function countedHandled(consumption: Consumption | undefined): HandledEvent[] {
  const abandoned = linesOf(consumption, "abandoned");
  return linesOf(consumption, "handled").filter(
    (line) =>
      !abandoned.some(
        (each) =>
          each.process === line.process &&
          each.epoch === line.epoch &&
          each.attempt === line.attempt &&
          each.n < line.n,
      ),
  );
}
