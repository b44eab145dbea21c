import { type Context, createClient, type Message, provide, tokens } from "@seriatim/actors";
import { type EventBody, eventsTopic } from "./events-topic.ts";
import type { RoleSetting, RunningConsumer, WriteToWorld } from "./roles.ts";
import { failsNow } from "./trouble.ts";

const realSleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const fired = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });

/** Handles what its leases bring: each message is one write to the outside world, guarded by the lease's epoch. */
export async function startConsumer(
  at: RoleSetting & {
    readonly write: WriteToWorld;
    /** It cannot go on (the group refuses it, say). */
    readonly failed: (error: unknown) => void;
    /** How a handler waits. @default on the real clock */
    readonly sleep?: (ms: number) => Promise<void>;
  },
): Promise<RunningConsumer> {
  const { settings, history, write, sleep = realSleep } = at;
  const { topic, group, concurrency, exhausted, attempts, leaseTtlMs } = settings;
  history.record({
    type: "start",
    role: "consumer",
    topics: [topic],
    groups: [group],
    settings: { exhausted, concurrency, leaseTtlMs, attempts },
  });
  const client = await createClient({
    name: at.name,
    modules: [...at.modules, provide(tokens.history, () => history)],
  });
  const consumer = client.consumer(eventsTopic(settings), {
    group,
    name: at.name,
    concurrency,
    exhausted,
    leaseTtlMs,
    retry: { attempts, initialMs: 10, factor: 2, maxMs: 200 },
  });
  const poison = new Set(settings.poison);
  const status = { handled: 0, failed: 0 };
  let occupied: { readonly ms: number; readonly taken: (id: string) => void } | null = null;

  const handle = async ({ id, key, body }: Message<EventBody>, { attempt, fence, signal }: Context): Promise<void> => {
    const name = id ?? `${key}#${body.ordinal}`;
    if (occupied !== null) {
      const { ms, taken } = occupied;
      occupied = null;
      taken(name);
      await Promise.race([sleep(ms), fired(signal)]);
    }
    if (poison.has(name)) throw new Error(`${name} is poison: no handler can manage it`);
    if (failsNow({ seed: settings.seed, rate: settings.failRate, id: name, attempt }))
      throw new Error("the warehouse did not answer");
    // A careless handler on purpose: it writes although its signal may have fired,
    // so after a freeze only the fence stands between it and the row.
    const outcome = await write({ row: body.key, ordinal: body.ordinal, fence });
    if (outcome === "refused")
      throw new Error(`${name} was written under epoch ${fence}, and a newer holder has written already`);
  };
  const running = consumer.run(async (message, context) => {
    try {
      await handle(message, context);
      status.handled++;
    } catch (error) {
      status.failed++;
      throw error;
    }
  });
  running.catch(at.failed);
  await consumer.ready();
  return {
    status,
    occupy: (ms) =>
      new Promise((resolve) => {
        occupied = { ms, taken: resolve };
      }),
    relax() {
      occupied = null;
    },
    async close(options) {
      await consumer.close(options);
      await client.close(options);
      history.end();
    },
  };
}
