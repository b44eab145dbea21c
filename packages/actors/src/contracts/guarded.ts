import { shown } from "../message/text.ts";
import type { HistorySink } from "./history.ts";
import type { Logger } from "./logger.ts";

/**
 * A logger of the user's. It is given texts as people may read them (`data` holds what they quote as it is). What it
 * throws, or rejects with, is dropped: whoever logs is in the middle of something, and often of something that failed.
 */
export function guardedLogger(logger: Logger): Logger {
  return {
    log: (level, text, data) => {
      try {
        const logged: unknown = logger.log(level, shown(text), data);
        if (logged instanceof Promise) logged.catch(() => {});
      } catch {
        // there is nowhere to say so
      }
    },
  };
}
/** A history of the user's. What it throws is logged, the first time, and dropped: messages go on. */
export function guardedHistory(history: HistorySink, logger: Logger): HistorySink {
  let hasThrown = false;
  return {
    record: (step) => {
      try {
        history.record(step);
      } catch (error) {
        if (hasThrown) return;
        hasThrown = true;
        logger.log("error", `history: record("${step.type}") threw; later ones that do are not logged`, { error });
      }
    },
  };
}
