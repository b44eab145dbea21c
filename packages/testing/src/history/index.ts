export { checkHistory } from "./check-history.ts";
export type { HistoryEvent, HistoryEventType } from "./history-event.ts";
export { type HistoryFormatCode, HistoryFormatError } from "./history-format-error.ts";
export { parseHistory } from "./parse-history.ts";
export { PROMISES, type PromiseId, type Verdict, type Violation } from "./verdict.ts";
