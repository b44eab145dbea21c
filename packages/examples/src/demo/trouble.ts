import { type EventLog, seededRandom, unitOf } from "@seriatim/rig";

/** Whether a handler fails this attempt of this message: decided by the seed, so every consumer would decide alike. */
export const failsNow = (at: {
  readonly seed: number;
  readonly rate: number;
  readonly id: string;
  readonly attempt: number;
}): boolean => unitOf(`${at.id}/${at.attempt}`, at.seed) < at.rate;

/**
 * Ids of messages that no handler will ever manage, one a key, early enough in their key that others stand behind them.
 */
export function poisonIds(log: EventLog, options: { readonly seed: number; readonly keys: number }): string[] {
  const random = seededRandom(options.seed, "poison");
  const long = [...log.keys].filter(([, events]) => events >= 3);
  const candidates = random.shuffled(long.length >= options.keys ? long : [...log.keys]);
  return candidates
    .slice(0, options.keys)
    .map(([key, events]) => `${key}#${random.integer(Math.max(1, Math.floor(events / 2)))}`);
}
