import { optionInvalid } from "./errors.ts";

/**
 * The longest that a duration option may be, 2 ** 31 - 1 ms: some 24 days, what timers of common platforms can wait.
 */
export const DURATION_MS_MAX = 2_147_483_647;

/** Clients send no heartbeats faster, whatever a broker says, ms. */
export const HEARTBEAT_MS_MIN = 10;

/**
 * A duration as an option, in ms.
 * @throws `OPTION_INVALID` for anything but a number from `from` to `DURATION_MS_MAX`
 */
export function duration(option: string, value: unknown, otherwise: number, from: number): number {
  if (value === undefined) return otherwise;
  if (typeof value !== "number" || !(value >= from) || value > DURATION_MS_MAX)
    throw optionInvalid(option, `a number of ms from ${from} to ${DURATION_MS_MAX}`, value);
  return value;
}
