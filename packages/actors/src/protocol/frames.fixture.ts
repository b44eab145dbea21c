// Values that a peer may send, made from what checks say that they are made of: what is added to the protocol is in
// them.
import fc from "fast-check";
import { type PackedFields, packMessage } from "../message/packed.ts";
import { evenRuns, NO_SLOT, type Route, slotOf } from "../message/route.ts";
import { utf8Bytes } from "../message/text.ts";
import { amount, anyObject, type Check, finite, type NamedCheck, nothing, tagRecords, yesOrNo } from "./checks.ts";
import type { Codec } from "./codec.ts";
import { errorCode, type OffsetRange, ranges, route } from "./field-checks.ts";
import { type AnswerOf, FRAME_TYPES, type Frame, type FrameType, frameFields, type ReadFrame } from "./frames.ts";
import { type Answers, QUESTIONS, type QuestionKind } from "./questions.ts";
import { FORBIDDEN_KEYS } from "./violation.ts";

const orNull = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(arbitrary, { nil: null });
const few = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T[]> => fc.array(arbitrary, { maxLength: 5 });

/** Small ones, and those where an encoding changes its length. */
const natural = fc.oneof(
  fc.nat(300),
  fc.maxSafeNat(),
  fc
    .tuple(fc.constantFrom(7, 8, 14, 16, 21, 28, 31, 32, 35, 42, 49, 53), fc.integer({ min: -2, max: 1 }))
    .map(([bits, by]) => Math.min(2 ** bits + by, Number.MAX_SAFE_INTEGER)),
);
const wholes = (min: number, max: number): fc.Arbitrary<number> =>
  max === Number.MAX_SAFE_INTEGER ? natural.map((value) => Math.max(min, value)) : fc.integer({ min, max });
const double = fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => (Object.is(value, -0) ? 0 : value));
const string = (maxLength: number) => fc.string({ unit: "binary", maxLength });
const name = fc.oneof(string(64), fc.stringMatching(/^[a-z]{1,20}$/));
const key = fc.oneof(string(40), fc.constantFrom("", "\ufeffa", "é".repeat(512), "x".repeat(1_024)));
/** With texts as long as this, or some of them. */
const strings = (max: number, inBytes: boolean): fc.Arbitrary<string> => {
  const long = fc.constantFrom("", "\ufeffa", "ß".repeat(300), "x".repeat(70), "é".repeat(512), "x".repeat(1_024));
  return fc
    .oneof(name, string(200), long)
    .map((text) => ((inBytes ? utf8Bytes(text) : text.length) <= max ? text : text.slice(0, Math.floor(max / 3))));
};
const bytes = fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.uint8Array({ minLength: 1_000, maxLength: 1_100 }));

const objectKey = fc
  .oneof(fc.string({ maxLength: 10 }), fc.constantFrom("toString", "0", ""))
  .filter((value) => !FORBIDDEN_KEYS.has(value));
const hasForbiddenKey = (value: unknown): boolean =>
  typeof value === "object" &&
  value !== null &&
  Object.entries(value).some(([own, inner]) => FORBIDDEN_KEYS.has(own) || hasForbiddenKey(inner));
const json = fc
  .jsonValue({ maxDepth: 3 })
  .map((value): unknown => JSON.parse(JSON.stringify(value)))
  .filter((value) => !hasForbiddenKey(value));

const headers = fc.dictionary(objectKey, fc.string({ unit: "binary", maxLength: 10 }), {
  noNullPrototype: true,
  maxKeys: 3,
});
export const packedFields: fc.Arbitrary<PackedFields> = fc
  .record({
    key: orNull(key),
    id: orNull(key),
    headers: orNull(headers),
    dueMs: orNull(double),
    content: fc.oneof(
      fc.record({
        encoding: fc.constant("json" as const),
        body: json.map((value) => new TextEncoder().encode(JSON.stringify(value))),
      }),
      fc.record({ encoding: fc.constantFrom("json" as const, "msgpack" as const, "bytes" as const), body: bytes }),
    ),
  })
  .map(({ content, ...fields }) => ({
    ...fields,
    ...content,
    slot: fields.key === null ? NO_SLOT : slotOf(fields.key),
  }));
const message = fc.oneof(packedFields.map(packMessage), bytes);
const messages = fc.oneof(
  few(packedFields).map((all) => Uint8Array.from(all.flatMap((fields) => [...packMessage(fields)]))),
  bytes,
);

const range: fc.Arbitrary<OffsetRange> = fc
  .tuple(natural, natural)
  .filter(([a, b]) => a !== b)
  .map(([a, b]) => [Math.min(a, b), Math.max(a, b)]);
/** In order, none twice. */
const rangesInOrder: fc.Arbitrary<readonly OffsetRange[]> = few(range).map((given) => {
  let end = 0;
  const inOrder = given.toSorted((a, b) => a[0] - b[0]);
  return inOrder.filter(([from, to]) => {
    if (from < end) return false;
    end = to;
    return true;
  });
});
const routes: fc.Arbitrary<Route> = fc
  .tuple(name, natural, fc.boolean(), fc.array(name, { minLength: 1, maxLength: 9 }))
  .map(([topic, version, ordered, homes]) => ({ topic, version, ordered, homes, runs: evenRuns(homes.length) }));

/** What is of one piece, or has to be right in more than its shape. */
const OWN = new Map<Check<unknown>, fc.Arbitrary<unknown>>([
  [finite, double],
  [amount, double.map(Math.abs)],
  [yesOrNo, fc.boolean()],
  [nothing, fc.constant(null)],
  [errorCode, fc.constantFrom("CLOSED", "QUEUE_FULL", "STALE_EPOCH")],
  [anyObject, fc.dictionary(objectKey, json, { noNullPrototype: true, maxKeys: 4 })],
  [ranges, rangesInOrder],
  [route, routes],
]);
/** Values that the check takes. */
function valuesOf<T>(check: Check<T>): fc.Arbitrary<T> {
  return (OWN.get(check) ?? shapedAs(check)) as fc.Arbitrary<T>;
}
function shapedAs({ shape }: Check<unknown>): fc.Arbitrary<unknown> {
  switch (shape?.of) {
    case "whole":
      return wholes(shape.min, shape.max);
    case "string":
      return strings(shape.max, shape.inBytes);
    case "choice":
      return fc.constantFrom(...shape.values);
    case "packed":
      return shape.isOne ? message : messages;
    case "nullable":
      return orNull(valuesOf(shape.inner));
    case "optional":
    case "since":
      return valuesOf(shape.inner);
    case "list":
      return few(valuesOf(shape.item));
    case "tuple":
      return fc.tuple(...shape.items.map(valuesOf));
    case "record":
      return recordOf(shape.fields, {});
    case "variants":
      return fc.oneof(
        ...[...shape.variants].map(([variant, { check }]) =>
          recordOf(check.shape?.of === "record" ? check.shape.fields : [], { [shape.tag]: fc.constant(variant) }),
        ),
      );
    case "cases":
      return fc.oneof(...shape.cases.map(([, check]) => valuesOf(check)));
    default:
      throw new Error("no values are known of this check: name some in `OWN`");
  }
}
const mayMiss = ({ shape }: Check<unknown>): boolean =>
  shape?.of === "optional" || (shape?.of === "since" && mayMiss(shape.inner));
/**
 * Objects with every field but those that may be missing; `noNullPrototype`, since packets are read back as ordinary
 * objects.
 */
function recordOf(
  fields: readonly NamedCheck[],
  more: Readonly<Record<string, fc.Arbitrary<unknown>>>,
): fc.Arbitrary<unknown> {
  const needed = fields.flatMap(([own, check]) => (mayMiss(check) ? [] : [own]));
  return fc.record(
    { ...more, ...Object.fromEntries(fields.map(([own, check]) => [own, valuesOf(check)])) },
    { requiredKeys: [...Object.keys(more), ...needed], noNullPrototype: true },
  );
}
const variants = tagRecords(frameFields, "type");

/** Answers by the kind of question. */
export const answers = Object.fromEntries(
  Object.values(QUESTIONS).map((question) => [question.kind, valuesOf(question.answer as Check<unknown>)]),
) as unknown as { readonly [Kind in QuestionKind]: fc.Arbitrary<Answers[Kind]> };
const answerFrames = fc.oneof(
  ...Object.entries(answers).map(([kind, answer]) =>
    fc.record(
      { type: fc.constant("answer"), request: natural, kind: fc.constant(kind), answer, more: fc.boolean() },
      { requiredKeys: ["type", "request", "kind", "answer"], noNullPrototype: true },
    ),
  ),
);

type FramesOf<Type extends FrameType> = Type extends "answer" ? AnswerOf : Extract<Frame, { readonly type: Type }>;
function fieldsOf(type: FrameType): readonly NamedCheck[] {
  const shape = variants.get(type)?.check.shape;
  return shape?.of === "record" ? shape.fields : [];
}
export const mayBeMissing = (type: FrameType, field: string): boolean =>
  fieldsOf(type).some(([own, check]) => own === field && mayMiss(check));
/** Every frame there is, with values a peer may send; answers with what they answer. */
export const frames = Object.fromEntries(
  FRAME_TYPES.map((type) => [
    type,
    type === "answer" ? answerFrames : recordOf(fieldsOf(type), { type: fc.constant(type) }),
  ]),
) as unknown as { readonly [Type in FrameType]: fc.Arbitrary<FramesOf<Type>> };
export const anyFrame: fc.Arbitrary<Frame> = fc.oneof(...(Object.values(frames) as fc.Arbitrary<Frame>[]));
/** Some for one packet: none that changes which version the others are read in. */
export const anyFrames: fc.Arbitrary<Frame[]> = fc.array(
  anyFrame.filter(({ type }) => type !== "hello" && type !== "welcome"),
  { maxLength: 20, size: "small" },
);

/**
 * These frames as whoever asked has them, who knows what answers are about: the kinds are those of `sent`, in order.
 */
export function asAsked(codec: Codec, frames: readonly ReadFrame[], sent: readonly Frame[]): Frame[] {
  const kinds = sent.flatMap((frame) => (frame.type === "answer" ? [frame.kind] : []));
  return frames.map((frame) => {
    if (frame.type !== "answer") return frame;
    const kind = kinds.shift() as QuestionKind;
    return { ...frame, kind, answer: codec.answerTo(kind, frame.answer) };
  });
}
export const readBack = (codec: Codec, packet: Uint8Array, sent: readonly Frame[]): Frame[] =>
  asAsked(codec, codec.decode(packet), sent);
/** The frame as it is on a link, where an answer does not say what it answers. */
export function onLink(frame: Frame): ReadFrame {
  if (frame.type !== "answer") return frame;
  const { kind: _, ...rest } = frame;
  return rest;
}
