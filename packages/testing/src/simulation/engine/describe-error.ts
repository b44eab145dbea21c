import { isMessagingError } from "@seriatim/actors/client";

export const describeError = (error: unknown): string =>
  isMessagingError(error)
    ? `${error.code}: ${error.message}`
    : error instanceof Error
      ? (error.stack ?? error.message)
      : String(error);
