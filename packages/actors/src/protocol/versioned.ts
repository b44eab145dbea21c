// What a protocol version has of a check: fields, frames and questions that came later (`since`) are not in it.
import { MessagingError } from "../message/errors.ts";
import { type Check, list, nullable, oneOf, optional, recordOf, since, type TaggedRecord, tagged } from "./checks.ts";

type Any = Check<unknown>;
/** Takes out of a value what a version does not have. */
export type Trim = (value: unknown) => unknown;

const most = (versions: readonly number[]): number => Math.max(0, ...versions);
/** The newest protocol version that brought something in it; 0: all of it was always there. */
export function newestIn({ shape }: Any): number {
  switch (shape?.of) {
    case "nullable":
    case "optional":
      return newestIn(shape.inner);
    case "since":
      return Math.max(shape.version, newestIn(shape.inner));
    case "list":
      return newestIn(shape.item);
    case "record":
      return most(shape.fields.map(([, own]) => newestIn(own)));
    case "variants":
      return most([...shape.variants.values()].map((own) => Math.max(own.since, newestIn(own.check))));
    case "cases":
      return most(shape.cases.map(([, own]) => newestIn(own)));
    default:
      return 0;
  }
}
const cameBy = (version: number) => (own: Any) => own.shape?.of !== "since" || own.shape.version <= version;

/** The check as it is on links that speak this version. By itself a check is what the newest one has. */
export const checkAt = <T>(check: Check<T>, version: number): Check<T> =>
  newestIn(check) <= version ? check : (olderOf(check, version) as Check<T>);
function olderOf(check: Any, version: number): Any {
  const { shape } = check;
  const at = (own: Any): Any => checkAt(own, version);
  switch (shape?.of) {
    case "nullable":
      return nullable(at(shape.inner));
    case "optional":
      return optional(at(shape.inner));
    case "since":
      return since(shape.version, at(shape.inner));
    case "list":
      return list(shape.max, at(shape.item), shape.by as never);
    case "record": {
      const known = shape.fields.filter(([, own]) => cameBy(version)(own));
      return recordOf(
        known.map(([name, own]) => [name, at(own)]),
        shape.tag,
      );
    }
    case "variants":
      return tagged(shape.tag, variantsAt(shape.variants, version));
    case "cases":
      return oneOf(shape.expected, ...shape.cases.map(([applies, own]) => [applies, at(own)] as const));
    default:
      return check;
  }
}
/** The variants that there are in this version, as they are in it. */
export const variantsAt = (
  variants: ReadonlyMap<string, TaggedRecord>,
  version: number,
): ReadonlyMap<string, TaggedRecord> =>
  new Map(
    [...variants].flatMap(([variant, own]) =>
      own.since > version ? [] : [[variant, { since: own.since, check: checkAt(own.check, version) }]],
    ),
  );

/**
 * What takes out of a value that this check has taken what links of a version do not have; `null` where that is
 * nothing. It throws `VERSION_UNSUPPORTED` where nothing would be left, as of a frame that came later.
 */
export function trimFor(check: Any, version: number): Trim | null {
  if (newestIn(check) <= version) return null;
  const { shape } = check;
  switch (shape?.of) {
    case "nullable": {
      const trim = trimFor(shape.inner, version);
      return trim === null ? null : (value) => (value === null ? null : trim(value));
    }
    case "optional":
    case "since":
      return trimFor(shape.inner, version); // a field that is missing is left alone by its record
    case "list": {
      const trim = trimFor(shape.item, version);
      return trim === null ? null : (value) => (value as readonly unknown[]).map(trim);
    }
    case "record":
      return trimRecord(shape.fields, version);
    case "variants":
      return trimVariants(shape.tag, shape.variants, version);
    case "cases": {
      const trims = shape.cases.map(([applies, own]) => ({ applies, trim: trimFor(own, version) }));
      return (value) => trims.find(({ applies }) => applies(value))?.trim?.(value) ?? value;
    }
    default:
      return null;
  }
}
function trimRecord(fields: readonly (readonly [string, Any])[], version: number): Trim {
  const left = fields.flatMap(([name, own]) => (cameBy(version)(own) ? [] : [name]));
  const trims = fields.flatMap(([name, own]) => {
    const trim = left.includes(name) ? null : trimFor(own, version);
    return trim === null ? [] : [{ name, trim }];
  });
  return (value) => {
    const copy = { ...(value as Record<string, unknown>) };
    for (const name of left) delete copy[name];
    for (const { name, trim } of trims) if (copy[name] !== undefined) copy[name] = trim(copy[name]);
    return copy;
  };
}
function trimVariants(tag: string, variants: ReadonlyMap<string, TaggedRecord>, version: number): Trim {
  const trims = new Map(
    [...variants].map(([variant, own]) => [variant, { since: own.since, trim: trimFor(own.check, version) }]),
  );
  return (value) => {
    const variant = (value as Record<string, unknown>)[tag] as string;
    const own = trims.get(variant);
    if (own !== undefined && own.since > version) throw notSpoken(`${tag} "${variant}"`, own.since, version);
    return own?.trim?.(value) ?? value;
  };
}
/** What is said of a frame, or a question, that the link's version does not have: nothing of it was sent. */
const notSpoken = (what: string, since: number, spoken: number): MessagingError<"VERSION_UNSUPPORTED"> =>
  new MessagingError(
    "VERSION_UNSUPPORTED",
    `${what} came with protocol version ${since}, this link speaks version ${spoken}: upgrade the side that is older`,
    { data: { what, since, spoken } },
  );
