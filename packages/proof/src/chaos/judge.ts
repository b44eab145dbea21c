import { historyLines } from "@seriatim/rig";
import { checkHistory, type HistoryEvent, parseHistory, type Verdict, type Violation } from "@seriatim/testing";
import { RoundFigures } from "./round-figures.ts";

export interface Judgement {
  readonly verdict: Verdict;
  readonly figures: RoundFigures;
  readonly violations: readonly Violation[];
  /** Violations that need not be any, by the reason. */
  readonly explained: Readonly<Record<string, number>>;
}

/** Holds the histories of a round against the promises. `unclear`: `group key` of orders whose answer never came. */
export async function judge(historyDir: string, unclear: ReadonlySet<string>): Promise<Judgement> {
  const figures = new RoundFigures();
  const verdict = await checkHistory(told(parseHistory(historyLines(historyDir)), figures));
  figures.finish();
  const explained: Record<string, number> = {};
  const violations = verdict.violations.filter((violation) => {
    const because = explanation(violation, unclear);
    if (because !== null) explained[because] = (explained[because] ?? 0) + 1;
    return because === null;
  });
  return { verdict, figures, violations, explained };
}

/**
 * What the driver knows and the history has no word for: an order to redrive a key was sent,
 * the broker died before it answered, and the key's messages were handled as the order asked.
 * Only that the parked key was opened is explained by it, not the order of what was handled.
 */
function explanation({ promise, events: [first, second] }: Violation, unclear: ReadonlySet<string>): string | null {
  if (promise !== "P6" || first?.type !== "parked" || second?.type !== "handling") return null;
  return unclear.has(`${second.group} ${second.key}`) ? "P6: the order to redrive the key was never answered" : null;
}

async function* told(events: AsyncIterable<HistoryEvent>, figures: RoundFigures): AsyncGenerator<HistoryEvent> {
  for await (const event of events) {
    figures.take(event);
    yield event;
  }
}
