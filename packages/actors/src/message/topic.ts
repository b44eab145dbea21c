import type { StandardSchemaV1 } from "@standard-schema/spec";
import { optionInvalid } from "./errors.ts";

/** How messages of a topic get their key: taken from the body, named by each send, or not at all. */
export type Keying = "derived" | "given" | "none";
/** How a body becomes bytes. */
export type Encoding = "msgpack" | "json" | "bytes";

/** What a topic's schema accepts (`In`, what `send` takes) and yields (`Out`, what a handler gets). */
export interface Topic<In = unknown, Out = In, K extends Keying = Keying, O extends boolean = boolean>
  extends TopicSpec {
  readonly schema: StandardSchemaV1<In, Out>;
  readonly keying: K;
  readonly ordered: O;
  readonly encoding: Encoding;
  /** `send`: the consumer does not parse again what the producer's schema accepted. */
  readonly validate: "both" | "send";
  /** The key of a parsed body; `null` where a send names it, or where there is none. */
  readonly keyOf: ((body: Out) => string) | null;
}
/** The part of a topic that a broker knows. */
export interface TopicSpec {
  readonly name: string;
  /** Number of queues: as many consumers of a group work side by side. 1 means global order. */
  readonly queues: number;
  /** `false`: many handlers per queue, no lease, no order. */
  readonly ordered: boolean;
  readonly retention: Retention;
  /** Groups that messages are kept for even before they first join. */
  readonly groups: readonly string[];
  /**
   * Messages a group may have set aside in one queue; past it the queue halts rather than overtake.
   * @default 100_000
   */
  readonly parkedMessagesMax: number;
  /** How long message ids are remembered, in ms. @default 600_000 */
  readonly idWindowMs: number;
}
/**
 * When messages leave a queue. Never before every group has settled
 * them, unless `dropUnsettled` says so (counted and announced).
 */
export interface Retention {
  /** Kept this long after they were appended, in ms. @default 604_800_000 (a week) */
  readonly ageMs?: number;
  /** Bytes per queue. A queue of unsettled messages is full at this size. @default 2 ** 30 */
  readonly bytesMax?: number;
  /** Removed as soon as every group has settled them. @default false */
  readonly settledByAll?: boolean;
  /** Let age and size remove what a slow group has not settled. @default false */
  readonly dropUnsettled?: boolean;
}
export type TopicInput<T> = T extends Topic<infer In, infer _Out, infer _K, infer _O> ? In : never;
export type TopicBody<T> = T extends Topic<infer _In, infer Out, infer _K, infer _O> ? Out : never;

interface TopicCommon<O extends boolean> {
  readonly queues?: number | undefined;
  readonly ordered?: O | undefined;
  readonly encoding?: Encoding | undefined;
  readonly retention?: Retention | undefined;
  readonly parkedMessagesMax?: number | undefined;
  readonly idWindowMs?: number | undefined;
  readonly groups?: readonly string[] | undefined;
}
type KeyOption<Out> = ((body: Out) => string) | "send" | null;
type KeyingOf<K> = [K] extends [null] ? "none" : [K] extends ["send"] ? "given" : "derived";
type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false;
type ValidateOption<In, Out> = Same<In, Out> extends true ? "both" | "send" : "both";

export type EventSchemas = { readonly [Type in string]: StandardSchemaV1<object, object> };
type Simplify<T> = { [P in keyof T]: T[P] } & {};
export type EventInput<E extends EventSchemas> = {
  [Type in keyof E & string]: Simplify<{ readonly type: Type } & StandardSchemaV1.InferInput<E[Type]>>;
}[keyof E & string];
export type EventOutput<E extends EventSchemas> = {
  [Type in keyof E & string]: Simplify<{ readonly type: Type } & StandardSchemaV1.InferOutput<E[Type]>>;
}[keyof E & string];

export interface TopicOptions<E extends EventSchemas, S extends StandardSchemaV1, K, O extends boolean>
  extends TopicCommon<O> {
  /**
   * Event types and the schema of each; a message's body is then one
   * of `{ type, ...payload }`. Exactly one of `events` and `schema`.
   */
  readonly events?: E | undefined;
  /** One schema for every message of the topic. */
  readonly schema?: S | undefined;
  /**
   * The ordering decision: the key of a body, `"send"` (each
   * send names it), or `null` (no key, no order among messages).
   */
  readonly key: K;
  /**
   * `"send"`: the consumer's parse is left out; only where the schema's input and output types are the same.
   * @default "both"
   */
  readonly validate?: ValidateOption<InputOf<E, S>, OutputOf<E, S>> | undefined;
}
type InputOf<E extends EventSchemas, S extends StandardSchemaV1> = [E] extends [never]
  ? StandardSchemaV1.InferInput<S>
  : EventInput<E>;
type OutputOf<E extends EventSchemas, S extends StandardSchemaV1> = [E] extends [never]
  ? StandardSchemaV1.InferOutput<S>
  : EventOutput<E>;
type OneOf<E, S> = [E] extends [never]
  ? [S] extends [never]
    ? { readonly schema: StandardSchemaV1 }
    : unknown
  : [S] extends [never]
    ? unknown
    : { readonly schema?: never };

/**
 * Declares a topic: its name, what its messages are, and what orders
 * them. Plain data, shared by producers, consumers and brokers.
 * @throws `OPTION_INVALID` for a name, number or combination that cannot be.
 */
export function topic<
  const K extends KeyOption<OutputOf<E, S>>,
  E extends EventSchemas = never,
  S extends StandardSchemaV1 = never,
  const O extends boolean = true,
>(name: string, options: TopicOptions<E, S, K, O> & OneOf<E, S>): Topic<InputOf<E, S>, OutputOf<E, S>, KeyingOf<K>, O> {
  if (typeof name !== "string" || !NAME.test(name))
    throw optionInvalid("name", "1 to 128 of the characters A-Z a-z 0-9 . _ -", name);
  const events = options.events as EventSchemas | undefined;
  const schema = options.schema as StandardSchemaV1 | undefined;
  if ((events === undefined) === (schema === undefined))
    throw optionInvalid(
      "events",
      "given when `schema` is not, and only then",
      events === undefined ? "neither" : "both",
    );
  const key = options.key as ((body: never) => string) | "send" | null;
  if (typeof key !== "function" && key !== "send" && key !== null)
    throw optionInvalid("key", 'a function, "send" or null', key);
  const spec = topicSpec({
    name,
    ...defined({
      queues: options.queues,
      ordered: options.ordered as boolean | undefined,
      retention: options.retention,
      parkedMessagesMax: options.parkedMessagesMax,
      idWindowMs: options.idWindowMs,
      groups: options.groups,
    }),
  });
  const encoding = options.encoding ?? "msgpack";
  if (!["msgpack", "json", "bytes"].includes(encoding))
    throw optionInvalid("encoding", '"msgpack", "json" or "bytes"', encoding);
  const validate = (options.validate as string | undefined) ?? "both";
  if (validate !== "both" && validate !== "send") throw optionInvalid("validate", '"both" or "send"', validate);
  return Object.freeze({
    ...spec,
    schema: schema ?? eventsSchema(events as EventSchemas),
    keying: key === null ? "none" : key === "send" ? "given" : "derived",
    encoding,
    validate,
    keyOf: typeof key === "function" ? key : null,
  }) as unknown as Topic<InputOf<E, S>, OutputOf<E, S>, KeyingOf<K>, O>;
}

/** A broker's view of a topic with every default filled in. @throws `OPTION_INVALID` */
export function topicSpec(given: { readonly name: string } & Partial<TopicSpec>): TopicSpec {
  if (!isName(given.name)) throw optionInvalid("name", "1 to 128 of the characters A-Z a-z 0-9 . _ -", given.name);
  const spec: TopicSpec = {
    name: given.name,
    queues: given.queues ?? 8,
    ordered: given.ordered ?? true,
    retention: Object.freeze({ ageMs: 604_800_000, bytesMax: 2 ** 30, ...defined(given.retention ?? {}) }),
    groups: Object.freeze([...(given.groups ?? [])]),
    parkedMessagesMax: given.parkedMessagesMax ?? 100_000,
    idWindowMs: given.idWindowMs ?? 600_000,
  };
  if (!Number.isInteger(spec.queues) || spec.queues < 1 || spec.queues > QUEUES_MAX)
    throw optionInvalid("queues", `an integer from 1 to ${QUEUES_MAX}`, spec.queues);
  if (typeof spec.ordered !== "boolean") throw optionInvalid("ordered", "true or false", spec.ordered);
  // finite, since it travels and is stored: what should last for ever is Number.MAX_SAFE_INTEGER
  for (const [option, value] of [
    ["retention.ageMs", spec.retention.ageMs],
    ["retention.bytesMax", spec.retention.bytesMax],
    ["parkedMessagesMax", spec.parkedMessagesMax],
    ["idWindowMs", spec.idWindowMs],
  ] as const)
    if (typeof value !== "number" || !Number.isFinite(value) || value < 0)
      throw optionInvalid(option, "a finite number of 0 or more", value);
  for (const [option, value] of [
    ["retention.settledByAll", spec.retention.settledByAll ?? false],
    ["retention.dropUnsettled", spec.retention.dropUnsettled ?? false],
  ] as const)
    if (typeof value !== "boolean") throw optionInvalid(option, "true or false", value);
  for (const group of spec.groups)
    if (!isName(group)) throw optionInvalid("groups", "names of 1 to 128 of A-Z a-z 0-9 . _ -", group);
  return Object.freeze(spec);
}
const QUEUES_MAX = 4_096;
const NAME = /^[A-Za-z0-9._-]{1,128}$/;
/** Whether `name` may name a topic, a group, a producer, a consumer or a broker. */
export const isName = (name: unknown): name is string => typeof name === "string" && NAME.test(name);

/** A schema that checks nothing: for data that this process alone writes. */
export function typed<Body>(): StandardSchemaV1<Body, Body> {
  return { "~standard": { version: 1, vendor: "seriatim", validate: (value) => ({ value: value as Body }) } };
}

/** `{ type: "placed", … }`: the payload goes to the schema of its type, the type is put back in front of the result. */
function eventsSchema(events: EventSchemas): StandardSchemaV1 {
  const known = new Map(Object.entries(events));
  if (known.size === 0) throw optionInvalid("events", "at least one event type with its schema", events);
  const names = [...known.keys()].map((name) => `"${name}"`).join(", ");
  return {
    "~standard": {
      version: 1,
      vendor: "seriatim",
      validate(value) {
        const type = typeof value === "object" && value !== null ? (value as { type?: unknown }).type : undefined;
        const schema = typeof type === "string" ? known.get(type) : undefined;
        if (schema === undefined) {
          const found =
            typeof type === "string"
              ? JSON.stringify(type.slice(0, 128))
              : type === undefined
                ? "none"
                : `a ${typeof type}`;
          return { issues: [{ message: `expected an event of type ${names}, found ${found}`, path: ["type"] }] };
        }
        const { type: _type, ...payload } = value as Record<string, unknown>;
        const withType = (result: StandardSchemaV1.Result<object>): StandardSchemaV1.Result<object> =>
          // in front, and again behind: a schema that yields a `type` of its own does not change the event's
          result.issues === undefined ? { value: Object.assign({ type }, result.value, { type }) } : result;
        const result = schema["~standard"].validate(payload);
        return result instanceof Promise ? result.then(withType) : withType(result);
      },
    },
  };
}

/** Leaves out the options that were given as `undefined`. */
export function defined<T extends object>(options: T): { [P in keyof T]?: Exclude<T[P], undefined> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as {
    [P in keyof T]?: Exclude<T[P], undefined>;
  };
}
