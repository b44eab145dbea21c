// Every option that is a duration, with values that no timer can wait: it is refused when it is read, or waited for as long as it says.
import {
  type BrokerOptions,
  type ClientOptions,
  type CloseOptions,
  createClient,
  createSystem,
  type OrderedConsumerOptions,
  type ProducerOptions,
  provide,
  type Retention,
  type Retry,
  RetryLater,
  type Runtime,
  type TopicOptions,
  tokens,
  topic,
  typed,
} from "@seriatim/actors";
import { type SimulationOptions, simulate, simulatedRuntime } from "@seriatim/testing";
import { memoryTransport } from "@seriatim/transport-memory";
import { type WsListenOptions, wsTransport } from "@seriatim/transport-ws";
import { expect, it } from "vitest";
import { timersOfAnyDelay } from "../packages/actors/src/runtime/any-delay.ts";

const lines = topic("lines", { schema: typed<string>(), key: "send", queues: 1 });
/** In virtual time, on timers like a platform's: what is too long is cut to 1 ms, and noted. */
function bench() {
  const clock = simulatedRuntime({ seed: 1 });
  const cut: number[] = [];
  const runtime: Runtime = {
    ...clock,
    ...timersOfAnyDelay({
      ...clock,
      setTimeout(fn, ms) {
        if (ms > 2 ** 31 - 1) cut.push(ms);
        return clock.setTimeout(fn, ms > 2 ** 31 - 1 ? 1 : ms);
      },
    }),
  };
  const modules = [memoryTransport(), provide(tokens.runtime, () => runtime)];
  const system = (options: Partial<BrokerOptions> = {}) =>
    clock.run(createSystem({ modules, topics: [lines], ...options }));
  return { clock, cut, modules, system };
}
type Bench = ReturnType<typeof bench>;

/** Two messages through a consumer, the first of which is tried twice. */
async function handle({ clock, system }: Bench, options: Omit<OrderedConsumerOptions, "group">): Promise<void> {
  const { producer, consumer, close } = await system();
  const handler = consumer(lines, { group: "g", ...options });
  const attempts: string[] = [];
  void handler.run(({ body }, { attempt }) => {
    attempts.push(`${body}${attempt}`);
    if (attempts.length === 1 && options.retry === undefined) throw new RetryLater("again", { afterMs: 10 });
    return new Promise((resolve) => void clock.setTimeout(resolve, 100)); // a time-out of 1 ms would show
  });
  const sender = producer(lines);
  await clock.run(Promise.all([sender.send("a", { key: "k" }), sender.send("b", { key: "k" })]));
  await clock.run(handler.caughtUp());
  expect(attempts).toEqual(options.retry === undefined ? ["a1", "a2", "b1"] : ["a1", "b1"]);
  await clock.run(close());
}

type Fate = "refused" | "taken";
interface Place {
  readonly name: string;
  /** What becomes of 2 ** 31 ms, and of `Infinity`, in each option. */
  readonly fates: Readonly<Record<string, readonly [over: Fate, infinite: Fate]>>;
  use(options: never, bench: Bench): unknown;
}
/** A place that takes durations, with all that it takes: an option that is missing here does not compile. */
const place = <Options>(
  name: string,
  fates: Readonly<Record<Extract<keyof Options, `${string}Ms${"" | "Max"}`>, readonly [over: Fate, infinite: Fate]>>,
  use: (options: Options, bench: Bench) => unknown,
): Place => ({ name, fates, use });
const REFUSED = ["refused", "refused"] as const;
const FINITE = ["taken", "refused"] as const;
const ANY = ["taken", "taken"] as const;

const PLACES: readonly Place[] = [
  place<BrokerOptions>("createBroker", { heartbeatMs: REFUSED, leaseTtlMsMax: REFUSED }, (options, { system }) =>
    system(options),
  ),
  place<ClientOptions>("createClient", { connectTimeoutMs: REFUSED }, async (options, { system, modules }) => {
    await system();
    await createClient({ ...options, modules });
  }),
  place<ProducerOptions>("producer", { sendTimeoutMs: REFUSED }, async (options, { system }) =>
    (await system()).producer(lines, options),
  ),
  place<OrderedConsumerOptions>(
    "consumer",
    { handlerTimeoutMs: ANY, handlerGraceMs: ANY, leaseTtlMs: REFUSED, revokeTimeoutMs: REFUSED },
    (options, bench) => handle(bench, options),
  ),
  place<Retry>("consumer, retry", { initialMs: FINITE, maxMs: FINITE }, (retry, bench) => handle(bench, { retry })),
  place<TopicOptions<never, typeof lines.schema, "send", true>>(
    "topic",
    { idWindowMs: FINITE },
    ({ idWindowMs }, { system }) =>
      system({ topics: [topic("kept", { schema: typed<string>(), key: "send", idWindowMs })] }),
  ),
  place<Retention>("topic, retention", { ageMs: FINITE }, (retention, { system }) =>
    system({ topics: [topic("kept", { schema: typed<string>(), key: "send", retention })] }),
  ),
  ...(["producer", "consumer", "client", "broker"] as const).map((of) =>
    place<CloseOptions>(`close of a ${of}`, { timeoutMs: REFUSED }, async (options, { system }) => {
      const open = await system();
      if (of === "producer") await open.producer(lines).close(options);
      else if (of === "consumer") await open.consumer(lines, { group: "g" }).close(options);
      else await (of === "client" ? open : open.broker).close(options);
    }),
  ),
  place<WsListenOptions>(
    "wsTransport",
    { pingMs: REFUSED, overloadedAfterMs: REFUSED, handshakeTimeoutMs: REFUSED, authenticateTimeoutMs: REFUSED },
    (options) => wsTransport({ ...options, port: 0 }),
  ),
  place<NonNullable<WsListenOptions["backoff"]>>(
    "wsTransport, backoff",
    { initialMs: REFUSED, maxMs: REFUSED },
    (backoff) => wsTransport({ backoff, port: 0 }),
  ),
  place<SimulationOptions<unknown>>(
    "simulate",
    { faultsForMs: REFUSED, healWithinMs: REFUSED, heartbeatMs: REFUSED },
    (options) => simulate({ ...options, seeds: 1, topics: [lines], processes: { idle: { start: () => {} } } }),
  ),
];
const CASES = PLACES.flatMap(({ name, fates, use }) =>
  Object.entries(fates).flatMap(([option, [over, infinite]]) =>
    (
      [
        [2 ** 31, over],
        [Number.POSITIVE_INFINITY, infinite],
        [Number.NaN, "refused"],
        [-1, "refused"],
        ["10", "refused"],
      ] as const
    ).map(([value, fate]) => ({ name, option, value, fate, use })),
  ),
);

it.each(CASES)("$name: $option $value is $fate", async ({ option, value, fate, use }) => {
  const at = bench();
  const used = (async () => use({ [option]: value } as never, at))();
  if (fate === "taken") await used;
  else
    await expect(used).rejects.toMatchObject({
      code: "OPTION_INVALID",
      data: { option: expect.stringMatching(new RegExp(`${option}$`)) },
    });
  expect(at.cut).toEqual([]);
});
it("refuses heartbeats faster than clients send them, by which no link would live", async () => {
  const { system } = bench();
  await expect(system({ heartbeatMs: 9 })).rejects.toMatchObject({ code: "OPTION_INVALID" });
  const { clock, producer } = await (async () => {
    const at = bench();
    return { ...at, ...(await at.system({ heartbeatMs: 10 })) };
  })();
  await clock.run(producer(lines).send("a", { key: "k" }));
});
