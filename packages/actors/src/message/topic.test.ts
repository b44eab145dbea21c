import { type } from "arktype";
import * as v from "valibot";
import { describe, expect, expectTypeOf, it } from "vitest";
import { z } from "zod";
import { isMessagingError } from "./errors.ts";
import { isName, type Topic, type TopicBody, type TopicInput, topic, topicSpec, typed } from "./topic.ts";

const order = typed<{ readonly id: string }>();
const validate = (of: Topic, value: unknown): unknown => {
  const result = of.schema["~standard"].validate(value);
  if (result instanceof Promise) throw new Error("expected a result at once");
  return result.issues === undefined
    ? { value: result.value }
    : { issues: result.issues.map(({ message }) => message) };
};
const optionOf = (run: () => unknown): unknown => {
  try {
    run();
  } catch (error) {
    if (isMessagingError(error, "OPTION_INVALID")) return error.data["option"];
    throw error;
  }
  return "(nothing was refused)";
};
/** As plain JavaScript calls it. */
const untyped = topic as (name: unknown, options: unknown) => Topic;

describe("topic", () => {
  it("has defaults for all but name, schema and key", () => {
    expect(topic("orders", { schema: order, key: ({ id }) => id })).toEqual({
      name: "orders",
      queues: 8,
      ordered: true,
      retention: { ageMs: 604_800_000, bytesMax: 1_073_741_824 },
      groups: [],
      parkedMessagesMax: 100_000,
      idWindowMs: 600_000,
      schema: order,
      keying: "derived",
      encoding: "msgpack",
      validate: "both",
      keyOf: expect.any(Function),
    });
  });
  it("takes the default where an option is undefined", () => {
    const none = { queues: undefined, ordered: undefined, encoding: undefined, validate: undefined, groups: undefined };
    expect(topic("t", { schema: order, key: null, ...none, retention: undefined, idWindowMs: undefined })).toEqual(
      topic("t", { schema: order, key: null }),
    );
    expect(untyped("t", { schema: order, key: null, retention: { ageMs: undefined, bytesMax: 5 } }).retention).toEqual({
      ageMs: 604_800_000,
      bytesMax: 5,
    });
  });
  it("knows where its keys come from", () => {
    const derived = topic("t", { schema: order, key: (body) => body.id });
    expect([derived.keying, derived.keyOf?.({ id: "7" })]).toEqual(["derived", "7"]);
    const given = topic("t", { schema: order, key: "send" });
    expect([given.keying, given.keyOf]).toEqual(["given", null]);
    const none = topic("t", { schema: order, key: null, ordered: false });
    expect([none.keying, none.keyOf, none.ordered]).toEqual(["none", null, false]);
    expectTypeOf(derived.keying).toEqualTypeOf<"derived">();
    expectTypeOf(given.keying).toEqualTypeOf<"given">();
    expectTypeOf(none.keying).toEqualTypeOf<"none">();
    expectTypeOf(none.ordered).toEqualTypeOf<false>();
    expectTypeOf(given.ordered).toEqualTypeOf<true>();
  });
  it("cannot be changed, nor by changing what it was made of", () => {
    const groups = ["billing"];
    const made = topic("t", { schema: order, key: null, groups });
    groups.push("later");
    expect(made.groups).toEqual(["billing"]);
    for (const part of [made, made.groups, made.retention]) expect(Object.isFrozen(part)).toBe(true);
  });

  it.each<[string, unknown, Readonly<Record<string, unknown>>]>([
    ["name", "", {}],
    ["name", "two words", {}],
    ["name", "x".repeat(129), {}],
    ["name", "a/b", {}],
    ["name", "a\n", {}],
    ["name", undefined, {}],
    ["name", 5, {}],
    ["events", "t", { schema: undefined }],
    ["events", "t", { events: { a: order } }],
    ["events", "t", { events: {}, schema: undefined }],
    ["key", "t", { key: undefined }],
    ["key", "t", { key: "id" }],
    ["queues", "t", { queues: 0 }],
    ["queues", "t", { queues: 4_097 }],
    ["queues", "t", { queues: 1.5 }],
    ["queues", "t", { queues: "8" }],
    ["ordered", "t", { ordered: "no" }],
    ["encoding", "t", { encoding: "xml" }],
    ["validate", "t", { validate: "never" }],
    ["groups", "t", { groups: ["two words"] }],
    ["groups", "t", { groups: [5] }],
    ["retention.ageMs", "t", { retention: { ageMs: -1 } }],
    ["retention.ageMs", "t", { retention: { ageMs: Number.POSITIVE_INFINITY } }],
    ["retention.bytesMax", "t", { retention: { bytesMax: Number.NaN } }],
    ["retention.settledByAll", "t", { retention: { settledByAll: "yes" } }],
    ["retention.dropUnsettled", "t", { retention: { dropUnsettled: 1 } }],
    ["parkedMessagesMax", "t", { parkedMessagesMax: "many" }],
    ["idWindowMs", "t", { idWindowMs: -1 }],
  ])("refuses option %s (%#)", (option, name, options) => {
    expect(optionOf(() => untyped(name, { schema: order, key: null, ...options }))).toBe(option);
  });
  it("says what was expected and what was found", () => {
    expect(() => topic("t", { schema: order, key: null, queues: 0 })).toThrow(
      'option "queues" must be an integer from 1 to 4096, found 0',
    );
  });
});

describe("topicSpec", () => {
  it("fills in defaults and is what a topic's broker knows", () => {
    const {
      schema,
      keying,
      encoding,
      validate: _validate,
      keyOf,
      ...spec
    } = topic("t", { schema: order, key: null, queues: 3 });
    expect(topicSpec({ name: "t", queues: 3 })).toEqual(spec);
    expect(topicSpec(spec)).toEqual(spec);
  });
  it("refuses a name that is none", () => {
    expect(optionOf(() => topicSpec({} as { name: string }))).toBe("name");
  });
});

describe("isName", () => {
  it("takes 1 to 128 of A-Z a-z 0-9 . _ -", () => {
    expect(["a", "A.b_c-9", "x".repeat(128)].every(isName)).toBe(true);
    expect(["", "x".repeat(129), "a b", "ä", "a\n", "a/b", null, undefined, 5, ["a"]].some(isName)).toBe(false);
  });
});

describe("typed", () => {
  it("passes what it is given, untouched", () => {
    const value = { id: "7", extra: [1] };
    const result = order["~standard"].validate(value);
    expect(result).toEqual({ value });
    expect("value" in result && result.value).toBe(value);
    expectTypeOf<TopicBody<ReturnType<typeof orders>>>().toEqualTypeOf<{ readonly id: string }>();
  });
});
const orders = () => topic("orders", { schema: order, key: ({ id }) => id });

const withZod = topic("orders", {
  events: {
    placed: z.object({ id: z.string(), total: z.number().default(5), at: z.string().transform((text) => text.length) }),
    cancelled: z.object({ id: z.string(), reason: z.string().optional() }),
  },
  key: (event) => event.id,
});
const withValibot = topic("orders", {
  events: {
    placed: v.object({
      id: v.string(),
      total: v.optional(v.number(), 5),
      at: v.pipe(
        v.string(),
        v.transform((text) => text.length),
      ),
    }),
    cancelled: v.object({ id: v.string(), reason: v.optional(v.string()) }),
  },
  key: (event) => event.id,
});
const withArktype = topic("orders", {
  events: {
    placed: type({ id: "string", total: "number = 5", at: type("string").pipe((text) => text.length) }),
    cancelled: type({ id: "string", "reason?": "string" }),
  },
  key: (event) => event.id,
});

describe.each([
  ["zod", withZod as unknown as Topic],
  ["valibot", withValibot as unknown as Topic],
  ["arktype", withArktype as unknown as Topic],
])("events with schemas of %s", (_vendor, events) => {
  it("gives each payload to the schema of its type, which may fill in and transform", () => {
    expect(validate(events, { type: "placed", id: "7", at: "four" })).toStrictEqual({
      value: { type: "placed", id: "7", total: 5, at: 4 },
    });
    expect(validate(events, { at: "four", total: 6, id: "7", type: "placed" })).toEqual({
      value: { type: "placed", id: "7", total: 6, at: 4 },
    });
    expect(validate(events, { type: "cancelled", id: "7" })).toEqual({ value: { type: "cancelled", id: "7" } });
  });
  it("puts the type first", () => {
    const result = validate(events, { id: "7", type: "cancelled" }) as { value: object };
    expect(Object.keys(result.value)).toEqual(["type", "id"]);
  });
  it("takes the key from what the schema yields", () => {
    expect(events.keyOf?.({ type: "placed", id: "7", total: 5, at: 4 })).toBe("7");
  });
  it("has the issues of the schema", () => {
    expect(validate(events, { type: "placed", id: 7, at: "four" })).toEqual({ issues: [expect.any(String)] });
  });
  it.each([
    ["no type", { id: "7" }, "none"],
    ["an unknown type", { type: "shipped" }, '"shipped"'],
    ["a type that every object inherits", { type: "constructor" }, '"constructor"'],
    ["a type that is no string", { type: 5n }, "a bigint"],
    ["no object", "placed", "none"],
    ["null", null, "none"],
    ["an array", ["placed"], "none"],
  ])("refuses %s", (_what, value, found) => {
    expect(validate(events, value)).toEqual({
      issues: [`expected an event of type "placed", "cancelled", found ${found}`],
    });
  });
});

describe("events", () => {
  it("have the types of their schemas, before and after", () => {
    type In =
      | { readonly type: "placed"; id: string; at: string; total?: number | undefined }
      | { readonly type: "cancelled"; id: string; reason?: string | undefined };
    type Out =
      | { readonly type: "placed"; id: string; at: number; total: number }
      | { readonly type: "cancelled"; id: string; reason?: string | undefined };
    expectTypeOf<TopicInput<typeof withZod>>().toEqualTypeOf<In>();
    expectTypeOf<TopicBody<typeof withZod>>().toEqualTypeOf<Out>();
    expectTypeOf<TopicBody<typeof withValibot>>().toEqualTypeOf<Out>();
    expectTypeOf<TopicBody<typeof withArktype>>().toExtend<Out>();
  });
  it("keep their type when a schema yields one of its own", () => {
    const shadowing = topic("t", {
      events: { placed: z.object({ id: z.string() }).transform((body) => ({ ...body, type: "cancelled" })) },
      key: null,
    });
    expect(validate(shadowing as unknown as Topic, { type: "placed", id: "7" })).toEqual({
      value: { type: "placed", id: "7" },
    });
  });
  it("wait for schemas that take their time", async () => {
    const slow = topic("t", {
      events: { placed: z.object({ id: z.string().refine(async (id) => id !== "bad") }) },
      key: null,
    });
    await expect(slow.schema["~standard"].validate({ type: "placed", id: "7" })).resolves.toEqual({
      value: { type: "placed", id: "7" },
    });
    await expect(slow.schema["~standard"].validate({ type: "placed", id: "bad" })).resolves.toMatchObject({
      issues: [expect.anything()],
    });
  });
});
