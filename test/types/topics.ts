// What a topic's definition infers, and what it refuses; never run, only type-checked.
import {
  createSystem,
  type EventOutput,
  isMessagingError,
  type Offset,
  type System,
  type Topic,
  type TopicBody,
  type TopicInput,
  topic,
  typed,
} from "@seriatim/actors";
import { memoryTransport } from "@seriatim/transport-memory";
import { type as ark } from "arktype";
import * as v from "valibot";
import { z } from "zod";

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
declare function same<A, B>(equal: Equal<A, B>): void;

/* ---------- inference ---------- */

const orders = topic("orders", {
  key: (event) => event.orderId,
  events: {
    placed: z.object({ orderId: z.string(), total: z.number().default(0) }),
    paid: z.object({ orderId: z.string(), at: z.coerce.date() }),
  },
  queues: 8,
});
export const annotated: Topic<
  | { readonly type: "placed"; orderId: string; total?: number | undefined }
  | { readonly type: "paid"; orderId: string; at: unknown },
  { readonly type: "placed"; orderId: string; total: number } | { readonly type: "paid"; orderId: string; at: Date },
  "derived",
  true
> = orders;
same<
  TopicBody<typeof orders>,
  { readonly type: "placed"; orderId: string; total: number } | { readonly type: "paid"; orderId: string; at: Date }
>(true);

const valibot = topic("valibot", {
  events: {
    placed: v.object({ orderId: v.string(), n: v.pipe(v.string(), v.transform(Number)) }),
    gone: v.object({ orderId: v.string() }),
  },
  key: (event) => event.orderId,
});
same<
  TopicBody<typeof valibot>,
  { readonly type: "placed"; orderId: string; n: number } | { readonly type: "gone"; orderId: string }
>(true);
same<
  TopicInput<typeof valibot>,
  { readonly type: "placed"; orderId: string; n: string } | { readonly type: "gone"; orderId: string }
>(true);

const ticks = topic("ticks", {
  schema: ark({ symbol: "string", price: "number" }),
  key: (tick) => tick.symbol,
  validate: "send",
});
same<TopicBody<typeof ticks>, { symbol: string; price: number }>(true);
export const arkEvents = topic("ark", {
  events: { up: ark({ id: "string", by: "number = 1" }) },
  key: (event) => event.id,
});
same<TopicBody<typeof arkEvents>, { readonly type: "up"; id: string; by: number }>(true);

const given = topic("given", { schema: z.object({ n: z.number() }), key: "send" });
const none = topic("none", { schema: typed<{ a: 1 }>(), key: null, ordered: false });

// what else a schema and a key may be
topic("union", {
  schema: z.discriminatedUnion("kind", [
    z.object({ kind: z.literal("a"), id: z.string() }),
    z.object({ kind: z.literal("b"), id: z.string() }),
  ]),
  key: (body) => body.id,
});
topic("strict", { events: { a: z.strictObject({ id: z.string() }) }, key: (body) => body.id });
topic("destructured", { schema: ark({ id: "string" }), key: ({ id }) => id });
topic("method", {
  schema: ark({ id: "string" }),
  key(body) {
    return body.id;
  },
});
export const isolated: Topic<{ id: string }, { id: string }, "derived", true> = topic("isolated", {
  schema: z.object({ id: z.string() }),
  key: (body) => body.id,
});
// an option given as `undefined` is left out
topic("undefined", {
  schema: z.object({ id: z.string() }),
  key: (body) => body.id,
  queues: undefined,
  validate: undefined,
});

// ninety events: instantiation stays cheap
type Name = `e${1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9}${0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9}`;
type Many = { [K in Name]: z.ZodObject<{ id: z.ZodString; n: z.ZodOptional<z.ZodNumber> }> };
const many = topic("many", { key: (event) => event.id, events: {} as Many });
export type ManyBody = EventOutput<Many>;

/* ---------- what a topic refuses ---------- */

// @ts-expect-error a topic without a key decision
topic("bad", { schema: z.object({ a: z.string() }) });
// @ts-expect-error unknown option
topic("bad", { schema: z.object({ a: z.string() }), key: (body) => body.a, queuess: 2 });
// @ts-expect-error unknown option
topic("bad", { events: { a: z.object({ a: z.string() }) }, key: (body) => body.a, queuess: 2 });
// @ts-expect-error the key must be a string
topic("bad", { schema: z.object({ a: z.number() }), key: (body) => body.a });
// @ts-expect-error no such field
topic("bad", { schema: z.object({ a: z.number() }), key: (body) => body.b });
// @ts-expect-error it transforms: must be validated on both sides
topic("bad", { schema: z.object({ a: z.string(), d: z.coerce.number() }), key: (body) => body.a, validate: "send" });
// @ts-expect-error a payload must be an object
topic("bad", { events: { a: z.string() }, key: () => "x" });

/* ---------- producers and consumers of them ---------- */

export async function producers(system: System): Promise<void> {
  const producer = system.producer(orders);
  const receipt = await producer.send({ type: "placed", orderId: "1" });
  same<typeof receipt.offset, Offset>(true);
  // @ts-expect-error wrong payload
  await producer.send({ type: "placed", orderId: 1 });
  // @ts-expect-error an event that is not in the schema
  await producer.send({ type: "shipped", orderId: "1" });
  // @ts-expect-error a field is missing
  await producer.send({ type: "paid", at: 1 });
  // @ts-expect-error a field too many
  await producer.send({ type: "placed", orderId: "1", foo: 1 });
  // @ts-expect-error a derived key cannot be given
  await producer.send({ type: "placed", orderId: "1" }, { key: "x" });

  const keyed = system.producer(given);
  await keyed.send({ n: 1 }, { key: "k" });
  // @ts-expect-error the key is missing
  await keyed.send({ n: 1 });
  // @ts-expect-error the key is missing among the options
  await keyed.send({ n: 1 }, { id: "x" });
  // @ts-expect-error there are no keys
  await system.producer(none).send({ a: 1 }, { key: "k" });
}

export function consumers(system: System): void {
  const billing = system.consumer(orders, { group: "billing", exhausted: "halt" });
  void billing.run(async (message, context) => {
    same<number extends typeof context.fence ? false : true, true>(true);
    if (message.body.type === "paid") same<typeof message.body.at, Date>(true);
    else same<typeof message.body.total, number>(true);
  });
  void billing.run({
    placed: async ({ body }) => same<typeof body.total, number>(true),
    paid: ({ body }, { signal }) => {
      if (!signal.aborted) same<typeof body.at, Date>(true);
    },
  });
  // @ts-expect-error not exhaustive
  void billing.run({ placed: async () => {} });
  // @ts-expect-error no such event
  void billing.run({ placed: async () => {}, paid: async () => {}, shipped: async () => {} });
  // @ts-expect-error the group is missing
  system.consumer(orders, {});
  // @ts-expect-error unknown option
  system.consumer(orders, { group: "b", concurency: 2 });

  const unordered = system.consumer(none, { group: "b", exhausted: "dead-letter" });
  // @ts-expect-error park needs an ordered topic
  system.consumer(none, { group: "b", exhausted: "park" });
  // @ts-expect-error a lease needs an ordered topic
  system.consumer(none, { group: "b", leaseTtlMs: 1 });
  void unordered.run((message, context) => {
    same<typeof message.body.a, 1>(true);
    // @ts-expect-error no fence without a lease
    void context.fence;
  });

  void system.consumer(ticks, { group: "x" }).run(async ({ body }) => void body.price.toFixed());
  // @ts-expect-error a topic without event types has no handler map
  void system.consumer(ticks, { group: "x" }).run({ a: async () => {} });
  void system.consumer(many, { group: "x" }).run(({ body }) => {
    if (body.type === "e42") body.n?.toFixed();
  });

  void system.consumer(valibot, { group: "x" }).run(async (_message, { emit }) => {
    emit(ticks, { symbol: "s", price: 1 });
    emit(given, { n: 1 }, { key: "k" });
    // @ts-expect-error emit is typed, too
    emit(ticks, { symbol: "s" });
    // @ts-expect-error and wants the key where sends name it
    emit(given, { n: 1 });
  });
}

/** Generic code over any topic. */
export function describeAny<In, Out>(system: System, any: Topic<In, Out>): Promise<unknown> {
  return system.describe(any);
}
export const describeMany = (system: System): Promise<unknown> => describeAny(system, many);

/* ---------- what a system shows ---------- */

export async function shown(): Promise<void> {
  const system = await createSystem({ modules: [memoryTransport()], topics: [orders, valibot, ticks, given, none] });
  system.events$.subscribe((event) => {
    if (event.type === "lease.lost") same<typeof event.reason, "expired" | "fenced" | "revoked">(true);
  });
  for (const worker of system.actors.list("worker"))
    same<
      typeof worker.state,
      "acquiring" | "waiting" | "handling" | "backingOff" | "settingAside" | "halted" | "draining" | "released" | "lost"
    >(true);
  for (const actor of system.actors.list())
    if (actor.kind === "lane") same<typeof actor.state, "idle" | "sending" | "rewinding" | "blocked" | "fenced">(true);
  for await (const entry of system.admin.setAside(orders, { group: "billing" }).list()) {
    same<typeof entry.kind, "parked" | "dead-letter" | "halted">(true);
    if (entry.kind === "parked") same<typeof entry.key, string>(true);
    else same<typeof entry.behind, 0>(true);
    same<typeof entry.message.body, TopicBody<typeof orders> | undefined>(true);
    const { message } = entry;
    if (message.withheld) same<typeof message.body, undefined>(true);
    else same<typeof message.body, TopicBody<typeof orders>>(true);
  }
  const [account] = await system.admin.account(orders, { group: "billing" });
  same<typeof account extends { readonly parked: readonly Offset[] } | undefined ? true : false, true>(true);
}

export function errors(error: unknown): void {
  if (isMessagingError(error, "STALE_EPOCH")) error.current.toFixed();
  else if (isMessagingError(error, "SCHEMA_FAILED")) same<(typeof error.issues)["length"], number>(true);
  else if (isMessagingError(error)) void error.code;
  // @ts-expect-error no such code
  isMessagingError(null, "NOPE");
}
