import type { Logger } from "./logger.ts";

/** Says nothing: a library does not write to its user's console. Bind `tokens.logger` to hear it. */
export const quietLogger: Logger = { log: () => {} };
