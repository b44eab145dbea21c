import { isMessagingError, type MessagingError } from "../message/errors.ts";
import { type Check, type Fault, hasField, type TaggedRecord, tagged } from "./checks.ts";
import type { Answer, AnswerOf, Frame, FrameType, ReadFrame } from "./frames.ts";
import type { Answers, QuestionKind } from "./questions.ts";
import { negotiateVersion } from "./version.ts";
import { checkAt, newestIn, type Trim, trimFor, variantsAt } from "./versioned.ts";
import { violation } from "./violation.ts";

type Variants = ReadonlyMap<string, TaggedRecord>;
/** What an answer to each kind of question is. */
type AnswerChecks = Readonly<Record<string, { readonly answer: Check<unknown> }>>;
interface AnswerTable {
  readonly check: Check<unknown>;
  readonly trim: Trim | null;
}

/**
 * What frames there are in one protocol version, which fields they have, and what answers each question. Made once per
 * version, so a link that speaks it pays nothing for the others (rule 38).
 */
export class FrameTables {
  readonly version: number;
  /** All that can be spoken, lowest first. */
  readonly versions: readonly number[];
  readonly #all: Map<number, FrameTables>;
  readonly #variants: Variants;
  /** Of any frame. */
  readonly check: Check<unknown>;
  readonly #answers: ReadonlyMap<string, AnswerTable>;
  /**
   * The frame as this version has it; `null` where it has everything, as the newest does. Throws
   * `VERSION_UNSUPPORTED` for a frame, or a question, that came later.
   */
  readonly trim: ((frame: Frame) => Frame) | null;

  /** Those of the newest version. */
  static of(versions: readonly number[], frames: Variants, answers: AnswerChecks): FrameTables {
    const all = new Map<number, FrameTables>();
    for (const version of versions) all.set(version, new FrameTables(version, versions, frames, answers, all));
    return all.get(Math.max(...versions)) as FrameTables;
  }
  private constructor(
    version: number,
    versions: readonly number[],
    frames: Variants,
    answers: AnswerChecks,
    all: Map<number, FrameTables>,
  ) {
    this.version = version;
    this.versions = versions;
    this.#all = all;
    this.#variants = variantsAt(frames, version);
    this.check = tagged("type", withWelcome(frames, version, versions));
    this.trim = trimFor(tagged("type", frames), version) as ((frame: Frame) => Frame) | null;
    this.#answers = new Map(
      Object.entries(answers).map(([kind, { answer }]) => [
        kind,
        { check: checkAt(answer, version), trim: trimFor(answer, version) },
      ]),
    );
  }

  /** Those of another version. @throws `RangeError` for one that is not spoken */
  at(version: number): FrameTables {
    const found = this.#all.get(version);
    if (found === undefined) throw new RangeError(`protocol version ${version} is none of ${this.versions.join(", ")}`);
    return found;
  }
  /** The newest version, up to this one, that brought the frame or something in it. */
  newestIn(type: FrameType): number {
    const own = this.#variants.get(type);
    return own === undefined ? 1 : Math.max(1, own.since, newestIn(own.check));
  }
  /** Those that the frames behind this one are read with: a `hello` and a `welcome` say what is spoken from then on. */
  after(frame: ReadFrame): FrameTables {
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
  /**
   * The value as a frame: every field looked at, none that does not belong there.
   * @throws `PROTOCOL_VIOLATION` that names frame, field, what was expected and what was found
   */
  validate(value: unknown): ReadFrame {
    const found = this.check(value);
    if (found === null) return value as ReadFrame;
    const type = hasField("type")(value) ? (value as { readonly type: unknown }).type : undefined;
    const isKnown = typeof type === "string" && this.#variants.has(type);
    throw violation(isKnown ? type : "packet", found.field, found.expected, found.found);
  }
  /** What an answer frame holds, if it answers such a question. @throws `PROTOCOL_VIOLATION` */
  answerTo<Kind extends QuestionKind>(kind: Kind, answer: unknown): Answers[Kind] {
    const found = (this.#answers.get(kind) as AnswerTable).check(answer);
    if (found === null) return answer as Answers[Kind];
    throw violation(
      "answer",
      `answer${found.field === "" || found.field.startsWith("[") ? "" : "."}${found.field}`,
      `${found.expected} (asked: "${kind}")`,
      found.found,
    );
  }
  /** An answer as it is sent: what it answers is not said, and what came later than this version is left out. */
  sent(frame: Answer | AnswerOf): Answer {
    if (!("kind" in frame)) return frame; // one that was read, and goes on as it is
    const { kind, ...sent } = frame;
    const { trim } = this.#answers.get(kind) as AnswerTable;
    return trim === null ? sent : { ...sent, answer: trim(sent.answer) };
  }
}

/**
 * The frames of this version. A `welcome` is the first thing a client reads, with the newest version's tables, and says
 * itself which version it is of.
 */
function withWelcome(frames: Variants, version: number, versions: readonly number[]): Variants {
  const own = variantsAt(frames, version);
  const welcome = frames.get("welcome");
  if (welcome === undefined || version !== Math.max(...versions)) return own;
  const checks = new Map(versions.map((each) => [each, checkAt(welcome.check, each)]));
  const check: Check<unknown> = (value): Fault | null => {
    const { version: named } = value as { readonly version?: unknown };
    return (checks.get(named as number) ?? welcome.check)(value);
  };
  return new Map(own).set("welcome", { since: welcome.since, check });
}
