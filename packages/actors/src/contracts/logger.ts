export interface Logger {
  /**
   * Called synchronously; what it throws is dropped. `text` has control characters of
   * what it quotes as escapes; `data` has everything as it is, and what clients are
   * told nothing of: with `reference`, what a refusal of that reference was about.
   */
  log(level: "debug" | "info" | "warn" | "error", text: string, data: object): void;
}
