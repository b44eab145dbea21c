import { utf8Bytes } from "../message/text.ts";
import { checkAt, isLaterCheck, isLaterFields, type LaterFields, made, notSpoken, trimmed } from "./versioned.ts";
import { describeFound } from "./violation.ts";

/** Where a value is not what it should be. Built only when something is wrong. */
export interface Fault {
  readonly field: string;
  readonly expected: string;
  readonly found: string;
}
/** Looks at a value of any type; `null`: it is a `T`. */
export interface Check<out T> {
  (value: unknown): Fault | null;
  readonly yields?: T;
  /** The newest protocol version that something in it came with; absent where it has always been what it is. */
  readonly newest?: number | undefined;
  /** What it is on links of a version, where versions differ; by itself a check is what the newest one has. */
  readonly at?: ((version: number) => Check<T>) | undefined;
  /** The value without what this check's version does not have; absent where it has everything. Throws `VERSION_UNSUPPORTED` where nothing would be left. */
  readonly trim?: ((value: unknown) => unknown) | undefined;
}
export interface OptionalCheck<out T> extends Check<T> {
  readonly optional: true;
}
/** A check for every field of `T`: a field added to a frame is a compile error until it has one. */
export type Fields<T> = {
  readonly [Name in keyof T]-?: Partial<Pick<T, Name>> extends Pick<T, Name> ? OptionalCheck<T[Name]> : Check<T[Name]>;
};

export const fault = (expected: string, value: unknown): Fault => ({
  field: "",
  expected,
  found: describeFound(value),
});
const inside = (name: string | number, { field, expected, found }: Fault): Fault => {
  const step = typeof name === "number" ? `[${name}]` : name;
  return { field: field === "" ? step : `${step}${field.startsWith("[") ? "" : "."}${field}`, expected, found };
};

/** A safe integer from `min` to `max`. */
export function whole(min = 0, max: number = Number.MAX_SAFE_INTEGER): Check<number> {
  const expected = `a whole number from ${min} to ${max === Number.MAX_SAFE_INTEGER ? "2^53 - 1" : max}`;
  return (value) =>
    Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max ? null : fault(expected, value);
}
export const finite: Check<number> = (value) => (Number.isFinite(value) ? null : fault("a finite number", value));
/** A time, a size or a factor. */
export const amount: Check<number> = (value) =>
  Number.isFinite(value) && (value as number) >= 0 ? null : fault("a finite number of 0 or more", value);
export const yesOrNo: Check<boolean> = (value) => (typeof value === "boolean" ? null : fault("true or false", value));
export const nothing: Check<null> = (value) => (value === null ? null : fault("null", value));

/** A string of at most `max` characters. */
export const string = (max: number): Check<string> => {
  const expected = `a string of at most ${max} characters`;
  return (value) => (typeof value === "string" && value.length <= max ? null : fault(expected, value));
};
/** A string of at most `max` bytes in UTF-8. */
export const stringOfBytes = (max: number): Check<string> => {
  const expected = `a string of at most ${max} bytes`;
  return (value) =>
    typeof value === "string" && value.length <= max && (value.length * 3 <= max || utf8Bytes(value) <= max)
      ? null
      : fault(expected, value);
};
export const byteString: Check<Uint8Array> = (value) => (value instanceof Uint8Array ? null : fault("bytes", value));

export const choice = <const T extends string>(...values: readonly T[]): Check<T> => {
  const expected = values.map((value) => `"${value}"`).join(" or ");
  return (value) => ((values as readonly unknown[]).includes(value) ? null : fault(expected, value));
};
export const nullable = <T>(check: Check<T>): Check<T | null> =>
  made(
    [check],
    ([inner]) =>
      (value) =>
        value === null ? null : inner!(value),
    (value, [inner]) => (value === null ? null : trimmed(inner!, value)),
  );
/** A field that may be missing; `undefined` counts as missing. */
export const optional = <T>(check: Check<T>): OptionalCheck<T> => {
  const { newest, at, trim } = check;
  return Object.assign((value: unknown) => check(value), {
    optional: true as const,
    newest,
    at: at === undefined ? undefined : (version: number) => optional(at(version)),
    trim,
  });
};

export const list = <T>(max: number, check: Check<T>): Check<readonly T[]> =>
  made<readonly T[]>(
    [check],
    ([inner]) =>
      (value) => {
        if (!Array.isArray(value)) return fault("an array", value);
        if (value.length > max) return fault(`an array of at most ${max}`, value);
        for (let index = 0; index < value.length; index++) {
          const found = inner!(value[index]);
          if (found !== null) return inside(index, found);
        }
        return null;
      },
    (value: readonly unknown[], [inner]) => value.map((item) => trimmed(inner!, item)),
  );
/** An array of a fixed length. It never grows: what is added later is an object's field. */
export const tuple =
  <const T extends readonly unknown[]>(...checks: { readonly [At in keyof T]: Check<T[At]> }): Check<T> =>
  (value) => {
    if (!Array.isArray(value) || value.length !== checks.length) return fault(`an array of ${checks.length}`, value);
    for (let index = 0; index < checks.length; index++) {
      const found = checks[index]!(value[index]);
      if (found !== null) return inside(index, found);
    }
    return null;
  };

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);

/** An object with these fields and no others (beside the `tag`, which someone else has looked at). */
export const record = <T>(fields: Fields<T>, tag: string | null = null): Check<T> =>
  recordOf(Object.entries(fields) as [string, Check<unknown>][], tag, []) as Check<T>;
/** @param left fields that its version does not have */
function recordOf(fields: readonly [string, Check<unknown>][], tag: string | null, left: readonly string[]) {
  const names = fields.map(([name]) => name);
  const checks = fields.map(([, check]) => (isLaterCheck(check) ? check.inner : check));
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
  const newest = fields.reduce((found, [, { newest: own = 0 }]) => Math.max(found, own), 0);
  const at = (version: number): Check<unknown> => {
    const isKnown = (own: Check<unknown>): boolean => !isLaterCheck(own) || own.since <= version;
    return recordOf(
      fields.filter(([, own]) => isKnown(own)).map(([name, own]) => [name, checkAt(own, version)]),
      tag,
      fields.filter(([, own]) => !isKnown(own)).map(([name]) => name),
    );
  };
  const trims = fields.filter(([, own]) => own.trim !== undefined);
  const trim = (value: unknown): unknown => {
    const copy = { ...(value as Record<string, unknown>) };
    for (const name of left) delete copy[name];
    for (const [name, own] of trims) if (copy[name] !== undefined) copy[name] = trimmed(own, copy[name]);
    return copy;
  };
  return Object.assign(check, {
    newest: newest === 0 ? undefined : newest,
    at: newest === 0 ? undefined : at,
    trim: left.length === 0 && trims.length === 0 ? undefined : trim,
  });
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

/** Objects told apart by one of their fields. */
export function tagged(tag: string, variants: Readonly<Record<string, TaggedRecord>>): Check<unknown> {
  return taggedOf(tag, new Map(Object.entries(variants)), new Map(), 0);
}
/** A variant, and the version it came with (0: it was always there). */
export interface TaggedRecord {
  readonly since: number;
  readonly check: Check<unknown>;
}
/** @param left variants that the version `spoken` does not have, and when they came */
function taggedOf(
  tag: string,
  known: ReadonlyMap<string, TaggedRecord>,
  left: ReadonlyMap<string, number>,
  spoken: number,
): Check<unknown> {
  const check = (value: unknown): Fault | null => {
    if (!isObject(value)) return fault("an object", value);
    const variant = value[tag];
    const own = typeof variant === "string" ? known.get(variant) : undefined;
    return own === undefined ? inside(tag, fault(`a known ${tag}`, variant)) : own.check(value);
  };
  const all = [...known];
  const newest = all.reduce((found, [, own]) => Math.max(found, own.since, own.check.newest ?? 0), 0);
  const at = (version: number): Check<unknown> => {
    const isKnown = (own: TaggedRecord): boolean => own.since <= version;
    return taggedOf(
      tag,
      new Map(
        all
          .filter(([, own]) => isKnown(own))
          .map(([variant, own]) => [variant, { ...own, check: checkAt(own.check, version) }]),
      ),
      new Map(all.filter(([, own]) => !isKnown(own)).map(([variant, own]) => [variant, own.since])),
      version,
    );
  };
  const trim = (value: unknown): unknown => {
    const variant = (value as Record<string, unknown>)[tag] as string;
    const since = left.get(variant);
    if (since !== undefined) throw notSpoken(`${tag} "${variant}"`, since, spoken);
    const own = known.get(variant);
    return own === undefined ? value : trimmed(own.check, value);
  };
  return Object.assign(check, {
    newest: newest === 0 ? undefined : newest,
    at: newest === 0 ? undefined : at,
    trim: left.size === 0 && all.every(([, own]) => own.check.trim === undefined) ? undefined : trim,
  });
}
/** The first check that `applies` decides. */
export function oneOf<T>(
  expected: string,
  ...cases: readonly (readonly [applies: (value: unknown) => boolean, check: Check<T>])[]
): Check<T> {
  return made<T>(
    cases.map(([, check]) => check),
    (checks) => (value) => {
      const at = cases.findIndex(([applies]) => applies(value));
      return at < 0 ? fault(expected, value) : checks[at]!(value);
    },
    (value, checks) => {
      const at = cases.findIndex(([applies]) => applies(value));
      return at < 0 ? value : trimmed(checks[at]!, value);
    },
  );
}
export const hasField =
  (name: string) =>
  (value: unknown): boolean =>
    isObject(value) && Object.hasOwn(value, name);

/** The members of a union by their tag, without it; members may share tags and have several. */
export type Variant<U, Tag extends string, Value> = U extends { readonly [T in Tag]: infer Own }
  ? Value extends Own
    ? Omit<U, Tag>
    : never
  : never;
/** A record for each tag, the tag itself left to `tagged`. */
export const tagRecords = (
  fields: Readonly<Record<string, unknown>>,
  tag: string,
): Readonly<Record<string, TaggedRecord>> =>
  Object.fromEntries(
    Object.entries(fields).map(([variant, own]) => {
      const later: LaterFields<unknown> = isLaterFields(own) ? own : { since: 0, fields: own };
      return [variant, { since: later.since, check: record(later.fields as Fields<unknown>, tag) }];
    }),
  );
