// What other programs of this repository take from the demo: its event logs, its histories, its dice and its ports.
export { csvLog } from "./csv-log.ts";
export { type EventLog, eventLog, generatedLog, type LogEvent, shares } from "./event-log.ts";
export { freePort } from "./free-port.ts";
export { servedAgainMs } from "./history-stats.ts";
export { HistoryWriter, wallNow } from "./history-writer.ts";
export { type SeededRandom, seededRandom, unitOf } from "./seeded-random.ts";
export { unlessAborted, within } from "./watchdog.ts";
