import { shown } from "@seriatim/actors/client";

/** What can be wrong with what a person asked for, or with the machine it should run on. */
export type ProgramErrorCode =
  | "FLAG_INVALID"
  | "FILE_MISSING"
  | "FILE_UNREADABLE"
  | "COLUMN_MISSING"
  | "LOG_EMPTY"
  | "ROW_INVALID"
  | "OUT_UNUSABLE"
  | "PROCESS_FAILED"
  | "STALLED"
  | "INTERRUPTED";

/** An error a person reads as one line; anything else that is thrown is a bug of the program. */
export class ProgramError extends Error {
  override readonly name = "ProgramError";
  readonly code: ProgramErrorCode;
  constructor(code: ProgramErrorCode, message: string, options?: ErrorOptions) {
    super(shown(message), options); // it may quote a file of the person's
    this.code = code;
  }
  /** 2: the request was wrong; 130: Ctrl-C; 1: the run failed. */
  get exitCode(): number {
    if (this.code === "INTERRUPTED") return 130;
    return this.code === "PROCESS_FAILED" || this.code === "STALLED" || this.code === "OUT_UNUSABLE" ? 1 : 2;
  }
}
