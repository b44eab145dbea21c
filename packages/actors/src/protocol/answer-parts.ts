import type { Check, NamedCheck } from "./checks.ts";
import type { Codec } from "./codec.ts";
import type { Answer, AnswerOf } from "./frames.ts";
import { type AnyAnswer, QUESTIONS, type QuestionKind } from "./questions.ts";

/** Where an answer has lists, which is where it can be divided: taken from its check. */
interface Shape {
  readonly lists: Readonly<Record<string, Items | null>>;
}
/** Items that have lists themselves, and the field that names each. `null` instead: they cannot be divided. */
interface Items extends Shape {
  readonly by: string;
}
/** An answer that is a list is looked at as an object with this field. */
const ALL = "all";

function shapeIn(check: Check<unknown>): Shape {
  const fields: readonly NamedCheck[] = check.shape?.of === "record" ? check.shape.fields : [[ALL, check]];
  return {
    lists: Object.fromEntries(
      fields.flatMap(([name, { shape }]) => {
        if (shape?.of !== "list") return [];
        return [[name, shape.by === null ? null : { ...shapeIn(shape.item), by: shape.by }]];
      }),
    ),
  };
}
const SHAPES = new Map(Object.values(QUESTIONS).map(({ kind, answer }) => [kind as QuestionKind, shapeIn(answer)]));
const shapeOf = (kind: QuestionKind): Shape => SHAPES.get(kind) as Shape;

type Loose = Readonly<Record<string, unknown>>;
const boxed = (answer: unknown): Loose => (Array.isArray(answer) ? { [ALL]: answer } : (answer as Loose));
const unboxed = (value: Loose): AnyAnswer => (Object.hasOwn(value, ALL) ? value[ALL] : value) as AnyAnswer;
const listOf = (value: Loose, name: string): readonly unknown[] =>
  (value[name] as readonly unknown[] | undefined) ?? [];

/** Two answers of which each has a half of what this one lists, in order; `null` where there is nothing to divide. */
export function halves(kind: QuestionKind, answer: AnyAnswer): readonly [AnyAnswer, AnyAnswer] | null {
  if (typeof answer !== "object" || answer === null) return null;
  const found = halved(boxed(answer), shapeOf(kind));
  return found === null ? null : [unboxed(found[0]), unboxed(found[1])];
}
function halved(value: Loose, { lists }: Shape): readonly [Loose, Loose] | null {
  const names = Object.keys(lists);
  const count = names.reduce((sum, name) => sum + listOf(value, name).length, 0);
  if (count > 1) {
    const [front, back] = [{ ...value }, { ...value }] as [Record<string, unknown>, Record<string, unknown>];
    let left = count >>> 1;
    for (const name of names) {
      const items = listOf(value, name);
      front[name] = items.slice(0, left);
      back[name] = items.slice(left);
      left = Math.max(0, left - items.length);
    }
    return [front, back];
  }
  const name = names.find((one) => listOf(value, one).length === 1);
  const items = name === undefined ? null : lists[name];
  if (name === undefined || items === null || items === undefined) return null;
  const inner = halved(listOf(value, name)[0] as Loose, items);
  return inner === null
    ? null
    : [
        { ...value, [name]: [inner[0]] },
        { ...value, [name]: [inner[1]] },
      ];
}

/** Puts an answer together that comes in parts, each of which is an answer to the question by itself. */
export class AnswerParts {
  readonly #kind: QuestionKind;
  readonly #codec: Pick<Codec, "answerTo">;
  #whole: Loose | null = null;

  /** @param codec that its frames are read with */
  constructor(kind: QuestionKind, codec: Pick<Codec, "answerTo">) {
    this.#kind = kind;
    this.#codec = codec;
  }
  /**
   * The whole once its last part is here, `null` before.
   * @throws `PROTOCOL_VIOLATION` for what answers something else
   */
  add(frame: Answer): AnswerOf | null {
    const kind = this.#kind;
    const answer = this.#codec.answerTo(kind, frame.answer);
    if (frame.more !== true && this.#whole === null) return { ...frame, kind, answer };
    const shape = shapeOf(kind);
    const part = boxed(answer);
    if (this.#whole === null) this.#whole = owned(part, shape);
    else join(this.#whole, part, shape);
    return frame.more === true ? null : { ...frame, kind, answer: unboxed(this.#whole) };
  }
}
/** The same with lists of its own, to be added to. */
const owned = (value: Loose, { lists }: Shape): Loose => {
  const own: Record<string, unknown> = { ...value };
  for (const [name, items] of Object.entries(lists))
    own[name] =
      items === null ? [...listOf(value, name)] : listOf(value, name).map((item) => owned(item as Loose, items));
  return own;
};
function join(whole: Loose, more: Loose, { lists }: Shape): void {
  for (const [name, items] of Object.entries(lists)) {
    const to = whole[name] as unknown[];
    for (const item of listOf(more, name)) {
      const last = to.at(-1) as Loose | undefined;
      if (items === null) to.push(item);
      // the part before ended inside of it
      else if (last?.[items.by] === (item as Loose)[items.by]) join(last as Loose, item as Loose, items);
      else to.push(owned(item as Loose, items));
    }
  }
}

/**
 * Rule 43. The answer in parts, made as they are asked for. `fits` makes one of a part, or `null` where that is too
 * large: then it is divided further, and `whole` makes one of what cannot be.
 */
export function* inParts<T>(
  kind: QuestionKind,
  answer: AnyAnswer,
  fits: (part: AnyAnswer, isLast: boolean) => T | null,
  whole: (part: AnyAnswer, isLast: boolean) => T,
): Generator<T> {
  yield* partsOf(answer, true);
  function* partsOf(part: AnyAnswer, isLast: boolean): Generator<T> {
    const made = fits(part, isLast);
    const two = made === null ? halves(kind, part) : null;
    if (two === null) {
      yield made ?? whole(part, isLast);
      return;
    }
    yield* partsOf(two[0], false);
    yield* partsOf(two[1], isLast);
  }
}
