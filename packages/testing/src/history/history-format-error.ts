export type HistoryFormatCode = "HISTORY_LINE_INVALID" | "HISTORY_LINE_TORN" | "HISTORY_LINE_MISSING";

/**
 * A history that cannot be trusted to be whole. No promise is held against it: a missing line could prove or disprove
 * any of them.
 */
export class HistoryFormatError extends Error {
  override readonly name = "HistoryFormatError";
  /** `HISTORY_LINE_MISSING` also stands for lines out of order and lines that came twice. */
  readonly code: HistoryFormatCode;

  constructor(code: HistoryFormatCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
