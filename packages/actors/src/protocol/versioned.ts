// What came with a later protocol version than others: fields, frames and questions that links of older versions do not have.
import { MessagingError } from "../message/errors.ts";
import type { Check, OptionalCheck } from "./checks.ts";

/** A field that came with a version: needed from then on (unless it is optional there, too), and no field at all before. */
export interface LaterCheck<out T> extends OptionalCheck<T> {
  readonly since: number;
  readonly inner: Check<T>;
}
/** The fields of a frame, or of a question, that came with a version. */
export interface LaterFields<F> {
  readonly since: number;
  readonly fields: F;
}
/**
 * What came with protocol version `since`. Around a field's check: `dueMs: since(2, nullable(finite))`, and the field is optional in its type, since links of older versions do not have it.
 * Around all fields of a frame or a question: `"pass.over": since(2, { … })`.
 */
export function since<T>(version: number, check: Check<T>): LaterCheck<T>;
export function since<F extends object>(version: number, fields: F): LaterFields<F>;
export function since(version: number, what: unknown): unknown {
  if (typeof what !== "function") return { since: version, fields: what } satisfies LaterFields<unknown>;
  const inner = what as Check<unknown>;
  return Object.assign((value: unknown) => inner(value), {
    optional: true as const,
    since: version,
    inner,
    newest: Math.max(version, inner.newest ?? 0),
    at: (spoken: number) => since(version, checkAt(inner, spoken)),
    trim: inner.trim,
  }) satisfies LaterCheck<unknown>;
}
export const isLaterCheck = (check: Check<unknown>): check is LaterCheck<unknown> => "inner" in check;
export const isLaterFields = (own: unknown): own is LaterFields<unknown> =>
  typeof (own as LaterFields<unknown>).since === "number";

/** The check as it is on links that speak this version. */
export const checkAt = <T>(check: Check<T>, version: number): Check<T> => check.at?.(version) ?? check;
/** The value as the check has it: without what the check's version does not know. */
export const trimmed = (check: Check<unknown>, value: unknown): unknown => check.trim?.(value) ?? value;

/** A check made of others, made anew of those of another version. @param trim what `parts` leave out of a value of this check */
export function made<T>(
  parts: readonly Check<unknown>[],
  make: (parts: readonly Check<never>[]) => (value: unknown) => ReturnType<Check<T>>,
  trim: (value: never, parts: readonly Check<unknown>[]) => unknown,
): Check<T> {
  const newest = parts.reduce((found, part) => Math.max(found, part.newest ?? 0), 0);
  return Object.assign(make(parts as readonly Check<never>[]), {
    newest: newest === 0 ? undefined : newest,
    at:
      newest === 0
        ? undefined
        : (version: number) =>
            made<T>(
              parts.map((part) => checkAt(part, version)),
              make,
              trim,
            ),
    trim: parts.some((part) => part.trim !== undefined) ? (value: unknown) => trim(value as never, parts) : undefined,
  });
}

/** What is said of a frame, or a question, that the link's version does not have: nothing of it was sent. */
export const notSpoken = (what: string, since: number, spoken: number): MessagingError<"VERSION_UNSUPPORTED"> =>
  new MessagingError(
    "VERSION_UNSUPPORTED",
    `${what} came with protocol version ${since}, this link speaks version ${spoken}: upgrade the side that is older`,
    { data: { what, since, spoken } },
  );
