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
function utf8Bytes(text: string): number {
  let bytes = 0;
  // a pair of surrogates is two units and four bytes
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    bytes += unit < 0x80 ? 1 : unit < 0x800 ? 2 : isPairAt(text, at) ? 4 : 3;
    if (isPairAt(text, at)) at++;
  }
  return bytes;
}
const isPairAt = (text: string, at: number): boolean => (text.codePointAt(at) ?? 0) > 0xffff;

export const byteString: Check<Uint8Array> = (value) => (value instanceof Uint8Array ? null : fault("bytes", value));

export const choice = <const T extends string>(...values: readonly T[]): Check<T> => {
  const expected = values.map((value) => `"${value}"`).join(" or ");
  return (value) => ((values as readonly unknown[]).includes(value) ? null : fault(expected, value));
};
export const nullable =
  <T>(check: Check<T>): Check<T | null> =>
  (value) =>
    value === null ? null : check(value);
/** A field that may be missing; `undefined` counts as missing. */
export const optional = <T>(check: Check<T>): OptionalCheck<T> =>
  Object.assign((value: unknown) => check(value), { optional: true } as const);

export const list =
  <T>(max: number, check: Check<T>): Check<readonly T[]> =>
  (value) => {
    if (!Array.isArray(value)) return fault("an array", value);
    if (value.length > max) return fault(`an array of at most ${max}`, value);
    for (let index = 0; index < value.length; index++) {
      const found = check(value[index]);
      if (found !== null) return inside(index, found);
    }
    return null;
  };
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
export function record<T>(fields: Fields<T>, tag: string | null = null): Check<T> {
  const names = Object.keys(fields);
  const checks = names.map((name) => fields[name as keyof T] as Check<unknown>);
  const needed = checks.map((check) => !("optional" in check));
  return (value) => {
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
export function tagged(tag: string, variants: Readonly<Record<string, Check<unknown>>>): Check<unknown> {
  const known = new Map(Object.entries(variants));
  return (value) => {
    if (!isObject(value)) return fault("an object", value);
    const variant = value[tag];
    const check = typeof variant === "string" ? known.get(variant) : undefined;
    return check === undefined ? inside(tag, fault(`a known ${tag}`, variant)) : check(value);
  };
}
/** The first check that `applies` decides. */
export const oneOf =
  <T>(
    expected: string,
    ...cases: readonly (readonly [applies: (value: unknown) => boolean, check: Check<T>])[]
  ): Check<T> =>
  (value) => {
    for (const [applies, check] of cases) if (applies(value)) return check(value);
    return fault(expected, value);
  };
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
): Readonly<Record<string, Check<unknown>>> =>
  Object.fromEntries(Object.entries(fields).map(([variant, own]) => [variant, record(own as Fields<unknown>, tag)]));
