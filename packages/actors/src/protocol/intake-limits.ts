import { violation } from "./violation.ts";

/**
 * What a frame may hold that a client sends, so that reading one takes some milliseconds at most: several times what
 * clients of ours ever have to say.
 */
export const INTAKE = {
  /** Values (numbers, strings, lists, …) of a frame that goes as plain data. */
  plainValues: 200_000,
  /**
   * The same in JSON, where bodies are read too: one of 1 MiB may be all numbers. Objects and lists of them count for
   * themselves.
   */
  jsonValues: 600_000,
  jsonContainers: 200_000,
  /** Readable messages of a batch in JSON, which takes microseconds for each. */
  jsonMessages: 4_096,
} as const;

export const tooMuch = (frame: string, most: number, what: string): Error =>
  violation(frame, "", `at most ${most} ${what}`, "more");
