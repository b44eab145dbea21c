import { ALLOCATIONS } from "../contracts/allocation.ts";
import { duration } from "../message/duration.ts";
import { optionInvalid } from "../message/errors.ts";
import { defined, isName } from "../message/topic.ts";
import type { GroupSettings, MemberJoin } from "../protocol/frames.ts";
import type { OrderedConsumerOptions } from "./consumer-api.ts";
import type { RetrySettings } from "./retry-schedule.ts";

/** A consumer's options, checked, with every default filled in. */
export interface ConsumerSettings {
  readonly group: string;
  readonly name: string;
  readonly ordered: boolean;
  readonly concurrency: number;
  readonly retry: RetrySettings;
  readonly exhausted: "park" | "dead-letter" | "halt";
  readonly handlerTimeoutMs: number;
  readonly handlerGraceMs: number;
  readonly inFlightMax: number;
  readonly inFlightBytesMax: number;
  readonly startAt: GroupSettings["startAt"];
  readonly leaseTtlMs: number;
  readonly revokeTimeoutMs: number;
  readonly allocation: MemberJoin["allocation"];
}
const COMMON = [
  "group",
  "name",
  "concurrency",
  "retry",
  "exhausted",
  "handlerTimeoutMs",
  "handlerGraceMs",
  "inFlightMax",
  "inFlightBytesMax",
  "startAt",
];
const ORDERED = [...COMMON, "leaseTtlMs", "revokeTimeoutMs", "allocation"];
const RETRY = ["attempts", "initialMs", "factor", "maxMs", "jitter"];

/** @throws `OPTION_INVALID` for a wrong value, and for an option that does not exist */
export function consumerSettings(ordered: boolean, options: object, clientName: string): ConsumerSettings {
  if (typeof options !== "object" || options === null) throw optionInvalid("options", "an object", options);
  knownOnly("", options, ordered ? ORDERED : COMMON);
  const given = defined(options as OrderedConsumerOptions);
  const { group, name = clientName, startAt = "earliest" } = given;
  if (!isName(group)) throw optionInvalid("group", "1 to 128 of the characters A-Z a-z 0-9 . _ -", group);
  if (!isName(name)) throw optionInvalid("name", "1 to 128 of the characters A-Z a-z 0-9 . _ -", name);
  const isMoment = typeof startAt === "object" && startAt !== null && Number.isFinite(startAt.timestampMs);
  if (startAt !== "earliest" && startAt !== "latest" && !isMoment)
    throw optionInvalid("startAt", '"earliest", "latest" or { timestampMs }', startAt);
  return Object.freeze({
    group,
    name,
    ordered,
    startAt,
    retry: retrySettings(ordered, given.retry ?? {}),
    concurrency: whole("concurrency", given.concurrency, ordered ? 1 : 20),
    exhausted: oneOf("exhausted", given.exhausted, ordered ? ["park", "dead-letter", "halt"] : ["dead-letter"]),
    handlerTimeoutMs: atLeast("handlerTimeoutMs", given.handlerTimeoutMs, ordered ? 60_000 : 900_000, 1),
    handlerGraceMs: atLeast("handlerGraceMs", given.handlerGraceMs, 5_000, 0),
    inFlightMax: whole("inFlightMax", given.inFlightMax, 256),
    inFlightBytesMax: whole("inFlightBytesMax", given.inFlightBytesMax, 16 * 1024 * 1024),
    leaseTtlMs: duration("leaseTtlMs", given.leaseTtlMs, 10_000, 100),
    revokeTimeoutMs: duration("revokeTimeoutMs", given.revokeTimeoutMs, 30_000, 0),
    allocation: oneOf("allocation", given.allocation, ALLOCATIONS),
  });
}

function retrySettings(ordered: boolean, options: object): RetrySettings {
  if (typeof options !== "object" || options === null) throw optionInvalid("retry", "an object", options);
  knownOnly("retry.", options, RETRY);
  const given = defined(options as NonNullable<OrderedConsumerOptions["retry"]>);
  const attempts = given.attempts ?? (ordered ? 12 : 16);
  if (attempts !== Number.POSITIVE_INFINITY) whole("retry.attempts", attempts, 1);
  const jitter = atLeast("retry.jitter", given.jitter, 0.2, 0);
  if (jitter > 1) throw optionInvalid("retry.jitter", "a number from 0 to 1", jitter);
  return {
    attempts,
    initialMs: finite("retry.initialMs", given.initialMs, ordered ? 100 : 10_000, 0),
    factor: finite("retry.factor", given.factor, 2, 1),
    maxMs: finite("retry.maxMs", given.maxMs, ordered ? 30_000 : 7_200_000, 0),
    jitter,
  };
}
function knownOnly(prefix: string, options: object, known: readonly string[]): void {
  for (const option of Object.keys(options))
    if (!known.includes(option))
      throw optionInvalid(`${prefix}${option}`, `one of those that exist here (${known.join(", ")})`, option);
}
function atLeast(option: string, value: unknown, otherwise: number, min: number): number {
  if (value === undefined) return otherwise;
  if (typeof value !== "number" || !(value >= min)) throw optionInvalid(option, `a number of ${min} or more`, value);
  return value;
}
function finite(option: string, value: unknown, otherwise: number, min: number): number {
  const number = atLeast(option, value, otherwise, min);
  if (!Number.isFinite(number)) throw optionInvalid(option, `a finite number of ${min} or more`, value);
  return number;
}
function whole(option: string, value: unknown, otherwise: number): number {
  if (value === undefined) return otherwise;
  if (!Number.isSafeInteger(value) || (value as number) < 1)
    throw optionInvalid(option, "an integer of 1 or more", value);
  return value as number;
}
function oneOf<T extends string>(option: string, value: T | undefined, allowed: readonly [T, ...T[]]): T {
  if (value === undefined) return allowed[0];
  if (!allowed.includes(value)) throw optionInvalid(option, allowed.map((each) => `"${each}"`).join(" or "), value);
  return value;
}
