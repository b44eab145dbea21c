// Closing, with a store that has stopped answering: in virtual time.
import { createSystem, type Logger, provide, tokens, topic, typed } from "@seriatim/actors";
import { createMemoryStore, MemoryDisk, type Store } from "@seriatim/actors/store";
import { simulatedRuntime } from "@seriatim/testing";
import { memoryTransport } from "@seriatim/transport-memory";
import { expect, it } from "vitest";

const lines = topic("lines", { schema: typed<string>(), key: "send", queues: 2 });

async function setUp() {
  const runtime = simulatedRuntime({ seed: 1 });
  const never = new Promise<void>(() => {});
  const store = { hangs: false };
  const disk = new MemoryDisk({ runtime, beforeApply: () => (store.hangs ? never : undefined) });
  const logged: string[] = [];
  const logger: Logger = { log: (level, text) => void logged.push(`${level}: ${text}`) };
  const system = await runtime.run(
    createSystem({
      modules: [
        memoryTransport(),
        provide(tokens.runtime, () => runtime),
        provide(tokens.logger, () => logger),
        provide<Store>(tokens.store, () => createMemoryStore({ runtime, disk })),
      ],
      topics: [lines],
    }),
  );
  const consumer = system.consumer(lines, { group: "g", handlerGraceMs: 60_000 });
  const handled: string[] = [];
  const running = consumer.run(({ body }) => void handled.push(body));
  const producer = system.producer(lines, { name: "p" });
  await runtime.run(producer.send("a", { key: "k" }));
  await runtime.run(consumer.caughtUp());
  return { runtime, system, store, logged, producer, consumer, running, handled };
}

it("a system whose store never answers closes in the time it was given, and says what was left", async () => {
  const { runtime, system, store, logged, producer, running, handled } = await setUp();
  store.hangs = true;
  await runtime.run(producer.send("b", { key: "k" })); // a receipt from memory, for what will not be flushed
  const from = runtime.now();
  await runtime.run(system.close({ timeoutMs: 3_000 }), 10_000);
  // the leases' last words take 2 s of the client's, and the broker has 2 s in any case
  expect(runtime.now() - from).toBeLessThanOrEqual(3_000 + 2_000 + 2_000);
  expect(logged).toEqual([
    'warn: broker "broker" closed after 2000 ms without: changes of "lines" that the store has not answered; the store, which may still hold its data',
  ]);
  await running;
  expect(handled).toEqual(["a"]);
});
it("a broker alone, while its clients live on", async () => {
  const { runtime, system, store, logged } = await setUp();
  store.hangs = true;
  void system.admin.declare({ ...lines, name: "more" }).catch(() => {});
  await runtime.advance(10);
  const from = runtime.now();
  await runtime.run(system.broker.close({ timeoutMs: 700 }));
  expect(runtime.now() - from).toBe(700);
  expect(logged).toEqual([
    'warn: broker "broker" closed after 700 ms without: the store, which may still hold its data',
  ]);
  await runtime.run(system.close({ timeoutMs: 0 }));
});
it("a consumer waits for a handler that runs as long as its grace says, and for nothing else", async () => {
  const { runtime, system, store } = await setUp();
  const grace = { handlerGraceMs: 4_000 };
  const slow = system.consumer(lines, { group: "slow", ...grace });
  void slow.run(() => new Promise<void>((resolve) => void runtime.setTimeout(resolve, 100_000)));
  const idle = system.consumer(lines, { group: "idle", ...grace });
  void idle.run(() => {});
  await runtime.run(idle.caughtUp());
  store.hangs = true;
  await runtime.advance(100);
  const from = runtime.now();
  const took = await runtime.run(
    Promise.all([slow, idle].map((consumer) => consumer.close({ timeoutMs: 1_000 }).then(() => runtime.now() - from))),
  );
  expect(took[0]).toBeGreaterThan(1_000 + 4_000);
  expect(took[1]).toBeLessThanOrEqual(1_000 + 2_000);
});
