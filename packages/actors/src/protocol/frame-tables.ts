import { isMessagingError, type MessagingError } from "../message/errors.ts";
import { type Fault, hasField, type TaggedRecord, tagged } from "./checks.ts";
import type { Frame, FrameType } from "./frames.ts";
import { negotiateVersion } from "./version.ts";
import { checkAt, trimmed } from "./versioned.ts";
import { violation } from "./violation.ts";

type Variants = Readonly<Record<string, TaggedRecord>>;

/** What frames there are in one protocol version, and which fields they have. Made once per version, so a link that speaks it pays nothing for the others (rule 38). */
export class FrameTables {
  readonly version: number;
  /** All that can be spoken, lowest first. */
  readonly versions: readonly number[];
  readonly #all: Map<number, FrameTables>;
  readonly #variants: Variants;
  readonly #check: (value: unknown) => Fault | null;
  /** The frame as this version has it; `null` where it has everything, as the newest does. Throws `VERSION_UNSUPPORTED` for a frame, or a question, that came later. */
  readonly trim: ((frame: Frame) => Frame) | null;

  /** Those of the newest version. */
  static of(versions: readonly number[], variants: Variants): FrameTables {
    const all = new Map<number, FrameTables>();
    const newest = { ...variants };
    const { welcome } = variants;
    if (welcome !== undefined) newest["welcome"] = { ...welcome, check: inOwnVersion(welcome, versions) };
    for (const version of versions) all.set(version, new FrameTables(version, versions, newest, all));
    return all.get(Math.max(...versions)) as FrameTables;
  }
  private constructor(version: number, versions: readonly number[], variants: Variants, all: Map<number, FrameTables>) {
    this.version = version;
    this.versions = versions;
    this.#all = all;
    this.#variants = variants;
    const check = checkAt(tagged("type", variants), version);
    this.#check = check;
    this.trim = check.trim === undefined ? null : (frame) => trimmed(check, frame) as Frame;
  }

  /** Those of another version. @throws `RangeError` for one that is not spoken */
  at(version: number): FrameTables {
    const found = this.#all.get(version);
    if (found === undefined) throw new RangeError(`protocol version ${version} is none of ${this.versions.join(", ")}`);
    return found;
  }
  /** The newest version, up to this one, that brought the frame or something in it. */
  newestIn(type: FrameType): number {
    const { since, check } = this.#variants[type] as TaggedRecord;
    return Math.max(1, since, checkAt(check, this.version).newest ?? 0);
  }
  /** Those that the frames behind this one are read with: a `hello` and a `welcome` say what is spoken from then on. */
  after(frame: Frame): FrameTables {
    if (frame.type === "hello")
      return this.at(negotiateVersion(this.versions, frame.versions) ?? Math.min(...this.versions));
    if (frame.type === "welcome" && this.versions.includes(frame.version)) return this.at(frame.version);
    return this;
  }
  /** Why a link of this version does not carry the frame; `null`: it does. */
  refusal(frame: Frame): MessagingError | null {
    try {
      this.trim?.(frame);
      return null;
    } catch (error) {
      if (isMessagingError(error, "VERSION_UNSUPPORTED")) return error;
      throw error;
    }
  }
  /** The value as a frame: every field looked at, none that does not belong there. @throws `PROTOCOL_VIOLATION` that names frame, field, what was expected and what was found */
  validate(value: unknown): Frame {
    const found = this.#check(value);
    if (found === null) return value as Frame;
    const type = hasField("type")(value) ? (value as { readonly type: unknown }).type : undefined;
    const isKnown =
      typeof type === "string" &&
      Object.hasOwn(this.#variants, type) &&
      (this.#variants[type] as TaggedRecord).since <= this.version;
    throw violation(isKnown ? type : "packet", found.field, found.expected, found.found);
  }
}

/** A `welcome` is the first thing a client reads, with the newest version's tables, and says itself which version it is of. */
function inOwnVersion({ check }: TaggedRecord, versions: readonly number[]): TaggedRecord["check"] {
  const own = new Map(versions.map((version) => [version, checkAt(check, version)]));
  const inOwn: TaggedRecord["check"] = Object.assign(
    (value: unknown) => {
      const { version } = value as { readonly version?: unknown };
      return (own.get(version as number) ?? check)(value);
    },
    {
      newest: check.newest,
      at: (version: number) => (version === Math.max(...versions) ? inOwn : checkAt(check, version)),
    },
  );
  return inOwn;
}
