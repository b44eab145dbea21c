export { allowedBefore, type MarkedFault, planMarked } from "./faults/marked-plan.ts";
export {
  describePlan,
  FAULT_KINDS,
  type FaultKind,
  type PhasePlan,
  planRounds,
  type RoundPlan,
  type TimedFault,
} from "./faults/timed-plan.ts";
export { batchAppend, laneOpen, memberJoin, NOTHING_SETTLED, packedMessage } from "./frames.ts";
export { historyLines } from "./history/history-lines.ts";
export { HistoryWriter, wallNow } from "./history/history-writer.ts";
export { type LeaseLine, type ReceiptLine, receiptAgainMs, servedAgainMs } from "./history/recovery.ts";
export { csvLog } from "./load/csv-log.ts";
export {
  type EventLog,
  eventLines,
  eventLog,
  eventsOfLines,
  generatedLog,
  type LogEvent,
  shares,
} from "./load/event-log.ts";
export {
  OutsideWorld,
  type WorldCounts,
  type WorldWrite,
  type WriteAnswer,
  type WriteOutcome,
  type WriteQuestion,
  WriteRelay,
} from "./outside-world.ts";
export { atExit } from "./processes/at-exit.ts";
export { Child, type Ending, type Said } from "./processes/child.ts";
export { freePort } from "./processes/free-port.ts";
export { type ChildWork, failParent, serveParent, tellParent } from "./processes/parent.ts";
export { type Ended, Program, type ProgramOptions, run } from "./processes/program.ts";
export { unlessAborted, within } from "./processes/waits.ts";
export { ProgramError } from "./program-error.ts";
export { type SeededRandom, seededRandom, unitOf } from "./seeded-random.ts";
