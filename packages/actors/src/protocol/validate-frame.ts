import { tagRecords } from "./checks.ts";
import { FrameTables } from "./frame-tables.ts";
import { frameFields, ONLY_OF_BROKERS, type ReadFrame } from "./frames.ts";
import { QUESTIONS } from "./questions.ts";
import { PROTOCOL_VERSIONS } from "./version.ts";
import { violation } from "./violation.ts";

/** Those of the newest version. */
export const frameTables = FrameTables.of(PROTOCOL_VERSIONS, tagRecords(frameFields, "type"), QUESTIONS);

/**
 * The value as a frame of the newest version: every field looked at, none that does not belong there.
 * @throws `PROTOCOL_VIOLATION` that names frame, field, what was expected and what was found
 */
export const validateFrame = (value: unknown): ReadFrame => frameTables.validate(value);

/** Looked at before a frame is made of what was read. @throws `PROTOCOL_VIOLATION` for one that only brokers send */
export function requireFromClient(type: string): void {
  if (ONLY_OF_BROKERS.has(type)) throw violation(type, "", "a frame that clients send", "one that brokers do");
}
