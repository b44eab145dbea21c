import type { HistoryEvent } from "./history-event.ts";
import { HistoryFormatError } from "./history-format-error.ts";
import { LineOrder } from "./line-order.ts";
import { readEvent } from "./read-event.ts";

/**
 * Turns JSON lines, of one process or of several in any mixture that keeps each one's order, into events.
 * A torn line that nothing of its process follows is where that process was killed: it is skipped. A torn line
 * elsewhere, a gap in `n`,
 * an unknown type or a missing field rejects with a `HistoryFormatError` that names the line.
 */
export async function* parseHistory(lines: Iterable<string> | AsyncIterable<string>): AsyncGenerator<HistoryEvent> {
  const order = new LineOrder();
  /** Processes whose last line was torn, and where. */
  const torn = new Map<string, number>();
  let unnamedTorn: number | undefined;
  let number = 0;
  for await (const text of lines) {
    number++;
    if (text.trim() === "") continue;
    const value = parseJson(text);
    if (value === TORN) {
      const process = processOfTorn(text, number);
      if (process === undefined) unnamedTorn ??= number;
      else torn.set(process, number);
      continue;
    }
    const event = readEvent(value);
    if (typeof event === "string") throw new HistoryFormatError("HISTORY_LINE_INVALID", `line ${number} ${event}`);
    const tornAt = torn.get(event.process);
    if (tornAt !== undefined) {
      throw new HistoryFormatError(
        "HISTORY_LINE_TORN",
        `line ${tornAt} is torn, yet ${event.process} goes on at line ${number}: only the last line of a process may be`,
      );
    }
    try {
      order.accept(event);
    } catch (cause) {
      if (!(cause instanceof HistoryFormatError)) throw cause;
      const hint = unnamedTorn === undefined ? "" : `; line ${unnamedTorn} is torn, and may be the missing one`;
      throw new HistoryFormatError(cause.code, `line ${number}: ${cause.message}${hint}`, { cause });
    }
    yield event;
  }
}

const TORN = Symbol("torn");

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return TORN;
  }
}

/** Whose line it was, if what is left of it still says so. */
function processOfTorn(text: string, number: number): string | undefined {
  if (!text.trimStart().startsWith("{")) {
    throw new HistoryFormatError(
      "HISTORY_LINE_INVALID",
      `line ${number} is neither JSON nor the beginning of a JSON object`,
    );
  }
  const found = /"process"\s*:\s*("(?:[^"\\]|\\.)*")/.exec(text)?.[1];
  return found === undefined ? undefined : (JSON.parse(found) as string);
}
