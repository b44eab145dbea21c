import type { StandardSchemaV1 } from "@standard-schema/spec";
import type { Epoch } from "./brands.ts";
import { clipped, quoted, shown } from "./text.ts";
import { untraced } from "./untraced.ts";

/** Every code an error of ours may carry, and whether trying again can help. */
const RETRYABLE = {
  SCHEMA_FAILED: false,
  SCHEMA_ASYNC: false,
  KEY_INVALID: false,
  MESSAGE_TOO_LARGE: false,
  TOPIC_UNKNOWN: false,
  TOPIC_MISMATCH: false,
  DURABILITY_UNAVAILABLE: false,
  BUFFER_FULL: true,
  QUEUE_FULL: true,
  STORE_FULL: true,
  SEND_TIMEOUT: true,
  SEND_ABORTED: false,
  OUTCOME_UNKNOWN: false,
  PREDECESSOR_FAILED: false,
  FLUSH_FAILED: false,
  OUT_OF_SEQUENCE: true,
  WRONG_ROUTE: true,
  PRODUCER_FENCED: false,
  PRODUCER_UNKNOWN: false,
  STALE_EPOCH: false,
  LEASE_HELD: true,
  HANDLER_TIMEOUT: true,
  ALREADY_CONSUMING: false,
  GROUP_SETTINGS_DIFFER: false,
  NAME_IN_USE: false,
  ENTRY_UNKNOWN: false,
  CONNECT_TIMEOUT: true,
  UNAUTHENTICATED: false,
  FORBIDDEN: false,
  VERSION_UNSUPPORTED: false,
  PROTOCOL_VIOLATION: false,
  LIMIT_EXCEEDED: true,
  INTERNAL: true,
  UNAVAILABLE: true,
  CLOSED: false,
  OPTION_INVALID: false,
  MODULE_MISSING: false,
  STORE_IN_USE: false,
  STORE_DAMAGED: false,
  FORMAT_UNSUPPORTED: false,
  STORE_FAILED: true,
} as const satisfies Readonly<Record<string, boolean>>;

export type ErrorCode = keyof typeof RETRYABLE;
/** Data an error carries across the wire: what was expected and what was found, as plain JSON. */
export type ErrorData = Readonly<Record<string, unknown>>;

const MARK = Symbol.for("seriatim.error");

/**
 * What everything of ours throws: a stable `code`, `data`, the `cause`, and whether trying again can help. Its
 * `message` is for people, so control characters in what it quotes are escaped there; `data` has them as they are.
 */
export class MessagingError<Code extends ErrorCode = ErrorCode> extends Error {
  override readonly name: string = "MessagingError";
  readonly code: Code;
  readonly retryable: boolean;
  readonly data: ErrorData;
  readonly [MARK] = true;
  constructor(code: Code, message: string, options: ErrorOptions & { readonly data?: ErrorData } = {}) {
    super(shown(message), "cause" in options ? { cause: options.cause } : undefined);
    this.code = code;
    this.retryable = RETRYABLE[code];
    this.data = options.data ?? {};
  }
}

/** A body that its topic's schema refuses. */
export class SchemaError extends MessagingError<"SCHEMA_FAILED"> {
  override readonly name = "SchemaError";
  readonly issues: readonly StandardSchemaV1.Issue[];
  constructor(message: string, issues: readonly StandardSchemaV1.Issue[], options: ErrorOptions = {}) {
    super("SCHEMA_FAILED", message, { ...options, data: { issues: issues.map(plainIssue) } });
    this.issues = issues;
  }
}
const plainIssue = (issue: StandardSchemaV1.Issue) => ({
  message: issue.message,
  path: (issue.path ?? []).map((step) => String(typeof step === "object" ? step.key : step)),
});

/** `flush()` found sends that had failed and that nobody had looked at. */
export class FlushError extends MessagingError<"FLUSH_FAILED"> {
  override readonly name = "FlushError";
  readonly errors: readonly MessagingError[];
  constructor(errors: readonly MessagingError[]) {
    super(
      "FLUSH_FAILED",
      `${errors.length} send(s) failed since the last flush, the first: ${errors[0]?.message ?? "none"}`,
      {
        cause: errors[0],
      },
    );
    this.errors = errors;
  }
}

/** Something was asked under an epoch that has ended: a newer owner may exist, so stop, do not retry. */
export class StaleEpochError extends MessagingError<"STALE_EPOCH"> {
  override readonly name = "StaleEpochError";
  readonly presented: Epoch;
  readonly current: Epoch;
  constructor(
    at: { readonly queue: string; readonly presented: Epoch; readonly current: Epoch },
    options: ErrorOptions = {},
  ) {
    super("STALE_EPOCH", `epoch ${at.presented} on queue "${at.queue}" has ended; the current one is ${at.current}`, {
      ...options,
      data: at,
    });
    this.presented = at.presented;
    this.current = at.current;
  }
}

/**
 * More than there may be. `data` has the limit under the name
 * given and, where waiting helps, `retryInMs`: when to ask again.
 */
export const limitExceeded = (limit: string, most: number, found: string, remedy: string, retryInMs?: number) =>
  untraced(() => {
    const data = { [limit]: most, ...(retryInMs === undefined ? {} : { retryInMs }) };
    return new MessagingError("LIMIT_EXCEEDED", `${found}, the limit: ${remedy}`, { data });
  });

/**
 * A fault of this framework itself, at one end of a link: the link ends with it. What it was stands in the log of that
 * end, under `reference`, and never travels.
 */
export class InternalError extends MessagingError<"INTERNAL"> {
  override readonly name = "InternalError";
  readonly at: "broker" | "client";
  /** Finds the line in the log of that end. */
  readonly reference: string;
  constructor(at: "broker" | "client", reference: string, options: ErrorOptions = {}) {
    super(
      "INTERNAL",
      `the ${at} came upon a fault of its own and ended the link: report it with the line that its log has under reference "${reference}"`,
      { ...options, data: { at, reference } },
    );
    this.at = at;
    this.reference = reference;
  }
}

/** What each code narrows to. */
export type ErrorTypes = {
  [Code in ErrorCode]: Code extends "SCHEMA_FAILED"
    ? SchemaError
    : Code extends "FLUSH_FAILED"
      ? FlushError
      : Code extends "STALE_EPOCH"
        ? StaleEpochError
        : Code extends "INTERNAL"
          ? InternalError
          : MessagingError<Code>;
};

/** Narrows to one of our errors, of one code when it is given; knows errors of other copies of this package too. */
export function isMessagingError<Code extends ErrorCode = ErrorCode>(
  error: unknown,
  code?: Code,
): error is ErrorTypes[Code] {
  if (typeof error !== "object" || error === null || !(MARK in error)) return false;
  return code === undefined || (error as MessagingError).code === code;
}

/**
 * Thrown by a handler: this message will never succeed, so do
 * not try it again (any error with `retryable: false` counts).
 */
export class DoNotRetry extends Error {
  override readonly name = "DoNotRetry";
  readonly retryable = false as const;
}
/** Thrown by a handler: try again, but not before `afterMs`. */
export class RetryLater extends Error {
  override readonly name = "RetryLater";
  /** Shortest wait before the next attempt, in ms. */
  readonly afterMs: number;
  constructor(message: string, options: ErrorOptions & { readonly afterMs: number }) {
    super(message, "cause" in options ? { cause: options.cause } : undefined);
    this.afterMs = options.afterMs;
  }
}

/** An error as it travels on a link: `Disclosure` says what of one may. */
export interface WireError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly data: ErrorData;
}
/** The error a peer sent, as one of our classes; an unknown code (of a newer peer) becomes `PROTOCOL_VIOLATION`. */
export function fromWireError(wire: WireError): MessagingError {
  if (wire.code === "STALE_EPOCH") {
    const at = wire.data as { queue?: string; presented?: Epoch; current?: Epoch };
    return new StaleEpochError({
      queue: clipped(String(at.queue)),
      presented: (at.presented ?? 0) as Epoch,
      current: (at.current ?? 0) as Epoch,
    });
  }
  if (wire.code === "INTERNAL")
    return new InternalError(
      wire.data["at"] === "client" ? "client" : "broker",
      clipped(String(wire.data["reference"] ?? "none")),
    );
  if (!Object.hasOwn(RETRYABLE, wire.code))
    return new MessagingError(
      "PROTOCOL_VIOLATION",
      `the peer answered with an unknown error code ${quoted(wire.code)}: ${wire.message}`,
      {
        data: wire.data,
      },
    );
  return new MessagingError(wire.code, wire.message, { data: wire.data });
}
/** Anything thrown, as one of our errors. */
export const asMessagingError = (error: unknown, otherwise: ErrorCode = "UNAVAILABLE"): MessagingError =>
  isMessagingError(error) ? (error as MessagingError) : new MessagingError(otherwise, textOf(error), { cause: error });

/** What was thrown, in words: anything can be thrown, also what throws when it is looked at. */
export function textOf(thrown: unknown): string {
  try {
    return thrown instanceof Error ? thrown.message : String(thrown);
  } catch {
    return "something that has no text";
  }
}

/** `message` for an option that is out of range, in one form everywhere. */
export const optionInvalid = (option: string, expected: string, found: unknown): MessagingError<"OPTION_INVALID"> =>
  new MessagingError("OPTION_INVALID", `option "${option}" must be ${expected}, found ${describeValue(found)}`, {
    data: { option, expected },
  });
const describeValue = (value: unknown): string => {
  if (typeof value === "string") return JSON.stringify(clipped(value));
  if (typeof value === "function") return "a function";
  if (typeof value === "number") return String(value); // JSON has no NaN and no Infinity
  try {
    return clipped(JSON.stringify(value) ?? String(value));
  } catch {
    return textOf(value);
  }
};
