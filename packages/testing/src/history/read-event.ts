import type { HistoryEvent, HistoryEventType } from "./history-event.ts";

type Kind = "text" | "text?" | "whole" | "whole?" | "number" | "queue" | "list" | "amount" | "any";

const IN_QUEUE = { topic: "text", queue: "queue" } as const;
const OF_MESSAGE = { id: "text?", key: "text?" } as const;
const AT_PLACE = { ...IN_QUEUE, ...OF_MESSAGE, offset: "whole", logEpoch: "whole?" } as const;
const OF_LEASE = { ...IN_QUEUE, group: "text", consumer: "text", epoch: "whole?" } as const;
const OF_DELIVERY = { ...AT_PLACE, ...OF_LEASE } as const;
const OF_ATTEMPT = { ...OF_DELIVERY, attempt: "whole" } as const;
const BY_ANYONE = { group: "text", consumer: "text?", epoch: "whole?", revision: "whole" } as const;
const SET_ASIDE = { ...AT_PLACE, ...BY_ANYONE } as const;

/**
 * What each type of line must carry, which docs/history.md says too, for the rules to mean something. A kind with `?`
 * may also be null or left out.
 */
export const FIELDS: { readonly [Type in HistoryEventType]: Readonly<Record<string, Kind>> } = {
  start: {},
  end: {},
  sending: { topic: "text", ...OF_MESSAGE, ordinal: "whole?", durability: "text" },
  sent: { ...AT_PLACE, durability: "text" },
  refused: { topic: "text", ...OF_MESSAGE },
  tailLost: { ...IN_QUEUE, from: "whole", to: "whole" },
  granted: { ...OF_LEASE, revision: "whole" },
  released: { ...OF_LEASE, revision: "whole" },
  lost: OF_LEASE,
  handling: OF_ATTEMPT,
  handled: OF_ATTEMPT,
  failed: OF_ATTEMPT,
  aborted: OF_ATTEMPT,
  abandoned: OF_ATTEMPT,
  settled: { ...OF_DELIVERY, revision: "whole" },
  settleRefused: OF_DELIVERY,
  deadLettered: SET_ASIDE,
  parked: SET_ASIDE,
  redriven: SET_ASIDE,
  discarded: SET_ASIDE,
  sought: { ...IN_QUEUE, ...BY_ANYONE, from: "whole", to: "whole" },
  transition: { key: "text", version: "whole" },
  emitted: { cause: "text", index: "whole", id: "text" },
  fault: { fault: "text", target: "text?" },
  state: {
    ...IN_QUEUE,
    group: "text",
    start: "whole",
    end: "whole",
    cursor: "whole",
    settledRanges: "list",
    filtered: "amount",
    skipped: "amount",
    expired: "amount",
    deadLettered: "list",
    parked: "list",
    discarded: "list",
    logEpoch: "whole",
  },
};
export const LINE: Readonly<Record<string, Kind>> = { process: "text", n: "whole", at: "number" };

/**
 * The event a parsed line stands for, or a sentence that says what is wrong with it. Fields beyond those known are
 * kept.
 */
export function readEvent(value: unknown): HistoryEvent | string {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return "is not a JSON object";
  const line = value as Readonly<Record<string, unknown>>;
  const type = line["type"];
  if (typeof type !== "string" || !Object.hasOwn(FIELDS, type)) return `has the unknown type ${JSON.stringify(type)}`;
  const fault = misfit(line, LINE) ?? misfit(line, FIELDS[type as HistoryEventType]);
  return fault === undefined ? (value as HistoryEvent) : `(${type}) ${fault}`;
}

function misfit(line: Readonly<Record<string, unknown>>, fields: Readonly<Record<string, Kind>>): string | undefined {
  for (const field in fields) {
    const kind = fields[field] ?? "any";
    if (!fits(line[field], kind)) return `has ${field} ${JSON.stringify(line[field])}, expected ${EXPECTED[kind]}`;
  }
  return undefined;
}

const EXPECTED: Readonly<Record<Kind, string>> = {
  text: "a string",
  "text?": "a string or null",
  whole: "a whole number",
  "whole?": "a whole number or null",
  number: "a number",
  queue: "a whole number or a string",
  list: "an array",
  amount: "a whole number or an array",
  any: "anything",
};

function fits(value: unknown, kind: Kind): boolean {
  switch (kind) {
    case "text":
      return typeof value === "string";
    case "text?":
      return value === undefined || value === null || typeof value === "string";
    case "whole":
      return Number.isSafeInteger(value);
    case "whole?":
      return value === undefined || value === null || Number.isSafeInteger(value);
    case "number":
      return typeof value === "number" && Number.isFinite(value);
    case "queue":
      return typeof value === "string" || Number.isSafeInteger(value);
    case "list":
      return Array.isArray(value);
    case "amount":
      return Array.isArray(value) || Number.isSafeInteger(value);
    case "any":
      return true;
  }
}
