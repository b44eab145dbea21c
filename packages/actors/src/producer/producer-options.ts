import type { Durability } from "../message/brands.ts";
import { DURATION_MS_MAX } from "../message/duration.ts";
import { optionInvalid } from "../message/errors.ts";
import { isName } from "../message/topic.ts";
import type { ProducerOptions } from "./producer-api.ts";

/** A producer's options with every default filled in. */
export interface ProducerSettings {
  /** `null`: the most the store has, at most `flushed`. */
  readonly durability: Durability | null;
  readonly bufferMessagesMax: number;
  readonly bufferBytesMax: number;
  readonly waitingMax: number;
  readonly sendTimeoutMs: number;
  readonly inFlightBatchesMax: number;
}

const KNOWN: ReadonlySet<string> = new Set<keyof ProducerOptions>([
  "name",
  "durability",
  "failover",
  "bufferMessagesMax",
  "bufferBytesMax",
  "waitingMax",
  "sendTimeoutMs",
  "inFlightBatchesMax",
]);

/** @throws `OPTION_INVALID` */
export function producerSettings(options: ProducerOptions): ProducerSettings {
  for (const option of Object.keys(options))
    if (!KNOWN.has(option)) throw optionInvalid(option, `one of ${[...KNOWN].join(", ")}`, "an unknown option");
  const { name, durability, failover } = options;
  if (name !== undefined && !isName(name))
    throw optionInvalid("name", "1 to 128 of the characters A-Z a-z 0-9 . _ -", name);
  if (durability !== undefined && !["memory", "flushed", "synced"].includes(durability))
    throw optionInvalid("durability", '"memory", "flushed" or "synced"', durability);
  if (failover !== undefined && failover !== "strict")
    throw optionInvalid(
      "failover",
      failover === "available"
        ? '"strict": "available" needs topics that live at several brokers; not available yet'
        : '"strict" or "available"',
      failover,
    );
  return {
    durability: durability ?? null,
    bufferMessagesMax: whole("bufferMessagesMax", options.bufferMessagesMax, 10_000, 1),
    bufferBytesMax: whole("bufferBytesMax", options.bufferBytesMax, 16 * 1024 * 1024, 1),
    waitingMax: whole("waitingMax", options.waitingMax, 10_000, 0),
    sendTimeoutMs: whole("sendTimeoutMs", options.sendTimeoutMs, 30_000, 1, DURATION_MS_MAX),
    inFlightBatchesMax: whole("inFlightBatchesMax", options.inFlightBatchesMax, 8, 1),
  };
}
function whole(
  option: string,
  value: number | undefined,
  otherwise: number,
  min: number,
  max = Number.MAX_SAFE_INTEGER,
): number {
  if (value === undefined) return otherwise;
  if (!Number.isSafeInteger(value) || value < min || value > max)
    throw optionInvalid(option, `an integer from ${min} to ${max}`, value);
  return value;
}
