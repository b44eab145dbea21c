// Where values hold packed messages: the JSON codec writes them in another way.
import type { Check, TaggedRecord } from "./checks.ts";

/** Makes something else of packed messages, end to end (`many`), or of one. */
export interface PackedAs {
  many(value: unknown): unknown;
  one(value: unknown): unknown;
}
export type MapPacked = (value: unknown, as: PackedAs) => unknown;

type Loose = Readonly<Record<string, unknown>>;
const isLoose = (value: unknown): value is Loose =>
  typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);

/**
 * What maps the packed messages in a value that this check takes; `null` where it has none. It leaves alone whatever is
 * not as it should be: checking that comes later.
 */
export function packedIn({ shape }: Check<unknown>): MapPacked | null {
  switch (shape?.of) {
    case "packed":
      return shape.isOne ? (value, as) => as.one(value) : (value, as) => as.many(value);
    case "nullable":
    case "optional":
    case "since":
      return packedIn(shape.inner);
    case "list": {
      const inItem = packedIn(shape.item);
      return inItem === null
        ? null
        : (value, as) => (Array.isArray(value) ? value.map((item) => inItem(item, as)) : value);
    }
    case "record":
      return inFields(shape.fields);
    case "variants":
      return inVariants(shape.tag, shape.variants);
    default:
      return null;
  }
}
function inFields(fields: readonly (readonly [string, Check<unknown>])[]): MapPacked | null {
  const maps = fields.flatMap(([name, check]) => {
    const map = packedIn(check);
    return map === null ? [] : [{ name, map }];
  });
  if (maps.length === 0) return null;
  return (value, as) => {
    if (!isLoose(value)) return value;
    const copy: Record<string, unknown> = { ...value };
    for (const { name, map } of maps) if (Object.hasOwn(copy, name)) copy[name] = map(copy[name], as);
    return copy;
  };
}
function inVariants(tag: string, variants: ReadonlyMap<string, TaggedRecord>): MapPacked | null {
  const maps = new Map(
    [...variants].flatMap(([variant, { check }]) => {
      const map = packedIn(check);
      return map === null ? [] : [[variant, map] as const];
    }),
  );
  if (maps.size === 0) return null;
  return (value, as) => (isLoose(value) ? (maps.get(value[tag] as string)?.(value, as) ?? value) : value);
}
