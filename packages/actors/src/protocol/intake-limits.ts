import type { BrokerFrame } from "./frames.ts";
import { violation } from "./violation.ts";

/** What a frame may hold that a client sends, so that reading one takes some milliseconds at most: several times what clients of ours ever have to tell. */
export const INTAKE = {
  /** Values (numbers, strings, lists, …) of a frame that goes as plain data. */
  plainValues: 200_000,
  /** The same in JSON, where bodies are read too: one of 1 MiB may be all numbers. Objects and lists of them count for themselves. */
  jsonValues: 600_000,
  jsonContainers: 200_000,
  /** Readable messages of a batch in JSON, which takes microseconds for each. */
  jsonMessages: 4_096,
} as const;

const FROM_BROKERS: { readonly [Type in Exclude<BrokerFrame["type"], "goodbye">]: true } = {
  welcome: true,
  refused: true,
  limited: true,
  "topic.found": true,
  "lane.opened": true,
  "batch.appended": true,
  "lane.kept": true,
  "lane.rewind": true,
  "batch.refused": true,
  "member.joined": true,
  "member.ended": true,
  "heartbeat.answered": true,
  "lease.offered": true,
  "lease.granted": true,
  "lease.revoke": true,
  "lease.released": true,
  "lease.ended": true,
  deliver: true,
  redeliver: true,
  settled: true,
  "settle.refused": true,
  "aside.done": true,
  answer: true,
};
/** Looked at before a frame is made of what was read. @throws `PROTOCOL_VIOLATION` for one that only brokers send */
export function requireFromClient(type: string): void {
  if (Object.hasOwn(FROM_BROKERS, type)) throw violation(type, "", "a frame that clients send", "one that brokers do");
}
export const tooMuch = (frame: string, most: number, what: string): Error =>
  violation(frame, "", `at most ${most} ${what}`, "more");
