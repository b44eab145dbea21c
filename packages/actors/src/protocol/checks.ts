// What values of frames are checked with. A check looks at a value, and says what it is made of, so that others can go
// through it: `versioned.ts` for what a protocol version has of it, `packed-fields.ts` for where packed messages are,
// `answer-parts.ts` for where an answer can be divided.
import { utf8Bytes } from "../message/text.ts";
import { describeFound } from "./violation.ts";

/** Where a value is not what it should be. Made only when something is wrong. */
export interface Fault {
  readonly field: string;
  readonly expected: string;
  readonly found: string;
}
/** Looks at a value of any type; `null`: it is a `T`. */
export interface Check<out T> {
  (value: unknown): Fault | null;
  readonly yields?: T;
  /** What it is made of; absent where it is one piece. */
  readonly shape?: Shape;
}
export interface OptionalCheck<out T> extends Check<T> {
  readonly optional: true;
}
type Any = Check<unknown>;
export type Shape =
  | { readonly of: "nullable" | "optional"; readonly inner: Any }
  | { readonly of: "since"; readonly version: number; readonly inner: Any }
  | { readonly of: "list"; readonly max: number; readonly item: Any; readonly by: string | null }
  | { readonly of: "record"; readonly fields: readonly NamedCheck[]; readonly tag: string | null }
  | { readonly of: "variants"; readonly tag: string; readonly variants: ReadonlyMap<string, TaggedRecord> }
  | { readonly of: "cases"; readonly expected: string; readonly cases: readonly Case[] }
  | { readonly of: "tuple"; readonly items: readonly Any[] }
  | { readonly of: "packed"; readonly isOne: boolean }
  | { readonly of: "whole"; readonly min: number; readonly max: number }
  | { readonly of: "string"; readonly max: number; readonly inBytes: boolean }
  | { readonly of: "choice"; readonly values: readonly string[] };
export type NamedCheck = readonly [name: string, check: Any];
export type Case = readonly [applies: (value: unknown) => boolean, check: Any];

/** A check for every field of `T`: a field added to a frame is a compile error until it has one. */
export type Fields<T> = {
  readonly [Name in keyof T]-?: Partial<Pick<T, Name>> extends Pick<T, Name> ? OptionalCheck<T[Name]> : Check<T[Name]>;
};
/** The fields of a frame, or of a question, that came with a protocol version. */
export interface LaterFields<F> {
  readonly since: number;
  readonly fields: F;
}

export const fault = (expected: string, value: unknown): Fault => ({
  field: "",
  expected,
  found: describeFound(value),
});
const inside = (name: string | number, { field, expected, found }: Fault): Fault => {
  const step = typeof name === "number" ? `[${name}]` : name;
  return { field: field === "" ? step : `${step}${field.startsWith("[") ? "" : "."}${field}`, expected, found };
};
const shaped = <T>(check: (value: unknown) => Fault | null, shape: Shape): Check<T> => Object.assign(check, { shape });
/** The same check, and then a further one of what it has taken. */
export const refined = <T>(check: Check<T>, further: (value: T) => Fault | null): Check<T> =>
  Object.assign(
    (value: unknown) => check(value) ?? further(value as T),
    check.shape === undefined ? {} : { shape: check.shape },
  );

/* ---------- one piece ---------- */

/** A safe integer from `min` to `max`. */
export function whole(min = 0, max: number = Number.MAX_SAFE_INTEGER): Check<number> {
  const expected = `a whole number from ${min} to ${max === Number.MAX_SAFE_INTEGER ? "2^53 - 1" : max}`;
  return shaped(
    (value) =>
      Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max
        ? null
        : fault(expected, value),
    { of: "whole", min, max },
  );
}
export const finite: Check<number> = (value) => (Number.isFinite(value) ? null : fault("a finite number", value));
/** A time, a size or a factor. */
export const amount: Check<number> = (value) =>
  Number.isFinite(value) && (value as number) >= 0 ? null : fault("a finite number of 0 or more", value);
export const yesOrNo: Check<boolean> = (value) => (typeof value === "boolean" ? null : fault("true or false", value));
export const nothing: Check<null> = (value) => (value === null ? null : fault("null", value));
/** Anything at all; somebody else looks at it. */
export const anything: Check<unknown> = (value) => (value === undefined ? fault("a value", value) : null);

/** A string of at most `max` characters. */
export const string = (max: number): Check<string> => {
  const expected = `a string of at most ${max} characters`;
  return shaped((value) => (typeof value === "string" && value.length <= max ? null : fault(expected, value)), {
    of: "string",
    max,
    inBytes: false,
  });
};
/** A string of at most `max` bytes in UTF-8. */
export const stringOfBytes = (max: number): Check<string> => {
  const expected = `a string of at most ${max} bytes`;
  return shaped(
    (value) =>
      typeof value === "string" && value.length <= max && (value.length * 3 <= max || utf8Bytes(value) <= max)
        ? null
        : fault(expected, value),
    { of: "string", max, inBytes: true },
  );
};
export const choice = <const T extends string>(...values: readonly T[]): Check<T> => {
  const expected = values.map((value) => `"${value}"`).join(" or ");
  return shaped((value) => ((values as readonly unknown[]).includes(value) ? null : fault(expected, value)), {
    of: "choice",
    values,
  });
};
const bytes = (value: unknown) => (value instanceof Uint8Array ? null : fault("bytes", value));
/** One packed message. */
export const packedMessage: Check<Uint8Array> = shaped((value) => bytes(value), { of: "packed", isOne: true });
/** Packed messages, end to end. */
export const packedMessages: Check<Uint8Array> = shaped((value) => bytes(value), { of: "packed", isOne: false });

/* ---------- made of others ---------- */

export const nullable = <T>(inner: Check<T>): Check<T | null> =>
  shaped((value) => (value === null ? null : inner(value)), { of: "nullable", inner });
/** A field that may be missing; `undefined` counts as missing. */
export const optional = <T>(inner: Check<T>): OptionalCheck<T> =>
  Object.assign(
    shaped<T>((value) => inner(value), { of: "optional", inner }),
    { optional: true as const },
  );

/**
 * What came with protocol version `since`. Around a field's check, as in `dueMs: since(2, nullable(finite))`: needed
 * from then on (unless it is optional there, too), and no field at all before; optional in its type, since links of
 * older versions do not have it. Around all fields of a frame or a question: `fields: since(2, { … })`.
 */
export function since<T>(version: number, check: Check<T>): OptionalCheck<T>;
export function since<F extends object>(version: number, fields: F): LaterFields<F>;
export function since(version: number, what: unknown): unknown {
  if (typeof what !== "function") return { since: version, fields: what } satisfies LaterFields<unknown>;
  const inner = what as Any;
  return Object.assign(
    shaped((value) => inner(value), { of: "since", version, inner }),
    { optional: true as const },
  );
}

/** @param by a field that tells its items apart: an answer may be divided inside of one (`answer-parts.ts`) */
export const list = <T>(max: number, item: Check<T>, by: (keyof T & string) | null = null): Check<readonly T[]> =>
  shaped(
    (value) => {
      if (!Array.isArray(value)) return fault("an array", value);
      if (value.length > max) return fault(`an array of at most ${max}`, value);
      for (let index = 0; index < value.length; index++) {
        const found = item(value[index]);
        if (found !== null) return inside(index, found);
      }
      return null;
    },
    { of: "list", max, item, by },
  );
/** An array of a fixed length. It never grows: what is added later is an object's field. */
export const tuple = <const T extends readonly unknown[]>(
  ...items: { readonly [At in keyof T]: Check<T[At]> }
): Check<T> =>
  shaped(
    (value) => {
      if (!Array.isArray(value) || value.length !== items.length) return fault(`an array of ${items.length}`, value);
      for (let index = 0; index < items.length; index++) {
        const found = items[index]!(value[index]);
        if (found !== null) return inside(index, found);
      }
      return null;
    },
    { of: "tuple", items },
  );

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);

/** An object with these fields and no others (beside the `tag`, which someone else has looked at). */
export const record = <T>(fields: Fields<T>, tag: string | null = null): Check<T> =>
  recordOf(Object.entries(fields) as [string, Any][], tag) as Check<T>;
/** The same of fields in a list. */
export function recordOf(fields: readonly NamedCheck[], tag: string | null): Any {
  const names = fields.map(([name]) => name);
  const checks = fields.map(([, check]) => (check.shape?.of === "since" ? check.shape.inner : check));
  const needed = checks.map((check) => !("optional" in check));
  const check = (value: unknown): Fault | null => {
    if (!isObject(value)) return fault("an object", value);
    let known = tag === null ? 0 : 1;
    for (let index = 0; index < names.length; index++) {
      const name = names[index]!;
      const item = value[name];
      if (item !== undefined) known++;
      else if (!needed[index]) continue;
      const found = checks[index]!(item);
      if (found !== null) return inside(name, found);
    }
    const given = Object.keys(value);
    if (given.length === known) return null;
    const unknown = given.find((name) => name !== tag && !names.includes(name) && value[name] !== undefined);
    return unknown === undefined ? null : inside(unknown, fault("no such field", value[unknown]));
  };
  return shaped(check, { of: "record", fields, tag });
}
/** An object with any keys, whose values are all alike. */
export const dictionary =
  <T>(max: number, check: Check<T>): Check<Readonly<Record<string, T>>> =>
  (value) => {
    if (!isObject(value)) return fault("an object", value);
    const entries = Object.entries(value);
    if (entries.length > max) return fault(`an object of at most ${max} keys`, value);
    for (const [name, item] of entries) {
      const found = check(item);
      if (found !== null) return inside(name, found);
    }
    return null;
  };
/** Any object; what is in it is for people. */
export const anyObject: Check<Readonly<Record<string, unknown>>> = (value) =>
  isObject(value) ? null : fault("an object", value);

/** One of several records that a `tagged` value may be, and the version it came with (0: it was always there). */
export interface TaggedRecord {
  readonly since: number;
  readonly check: Any;
}
/** Objects told apart by one of their fields. */
export function tagged(tag: string, variants: ReadonlyMap<string, TaggedRecord>): Any {
  const check = (value: unknown): Fault | null => {
    if (!isObject(value)) return fault("an object", value);
    const variant = value[tag];
    const own = typeof variant === "string" ? variants.get(variant) : undefined;
    return own === undefined ? inside(tag, fault(`a known ${tag}`, variant)) : own.check(value);
  };
  return shaped(check, { of: "variants", tag, variants });
}
/** A record for each tag, the tag itself left to `tagged`. */
export const tagRecords = (fields: Readonly<Record<string, unknown>>, tag: string): ReadonlyMap<string, TaggedRecord> =>
  new Map(
    Object.entries(fields).map(([variant, own]) => {
      const later: LaterFields<unknown> = isLaterFields(own) ? own : { since: 0, fields: own };
      return [variant, { since: later.since, check: record(later.fields as Fields<unknown>, tag) }];
    }),
  );
const isLaterFields = (own: unknown): own is LaterFields<unknown> =>
  typeof (own as LaterFields<unknown>).since === "number";

/** The first check that `applies` decides. */
export function oneOf<T>(
  expected: string,
  ...cases: readonly (readonly [applies: (value: unknown) => boolean, check: Check<T>])[]
): Check<T> {
  return shaped(
    (value) => {
      const found = cases.find(([applies]) => applies(value));
      return found === undefined ? fault(expected, value) : found[1](value);
    },
    { of: "cases", expected, cases },
  );
}
export const hasField =
  (name: string) =>
  (value: unknown): boolean =>
    isObject(value) && Object.hasOwn(value, name);
