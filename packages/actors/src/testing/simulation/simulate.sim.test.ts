import { describe, expect, it } from "vitest";
import { isMessagingError } from "../../message/errors.ts";
import { topic, typed } from "../../message/topic.ts";
import type { HistoryEvent } from "../history/history-event.ts";
import { SIMULATED_FAULTS, SimulationError, type SimulationOptions, simulate } from "./index.ts";

interface Order {
  readonly type: "paid" | "shipped";
  readonly orderId: string;
}
const orders = topic("orders", { schema: typed<Order>(), key: ({ orderId }) => orderId, queues: 2 });
const unkeyed = topic("unkeyed", { schema: typed<Order>(), key: null, ordered: false, queues: 2 });

const ledger = topic("ledger", { schema: typed<Order>(), key: ({ orderId }) => orderId, queues: 1, groups: ["stock"] });

interface Outside {
  readonly paid: Set<string>;
  readonly shipped: string[];
  tooEarly: number;
}
type Options = SimulationOptions<Outside>;
const FAST = { heartbeatMs: 1_000, faultsForMs: 8_000 };
const GROUP = { group: "stock", leaseTtlMs: 3_000 };

/** The shop of docs/testing.md: a few orders per incarnation, each paid, then shipped. */
const shop: Options["processes"][string] = {
  count: 2,
  start: async ({ client, name, incarnation, sleep }) => {
    const producer = client.producer(orders);
    for (let n = 0; n < 5; n++) {
      const orderId = `${name}-${incarnation}-${n}`;
      void producer.send({ type: "paid", orderId }, { id: `${orderId}/paid` });
      void producer.send({ type: "shipped", orderId }, { id: `${orderId}/shipped` });
      await sleep(1_000);
    }
    await producer.flush();
  },
};
const stock: Options["processes"][string] = {
  count: 3,
  start: ({ client, shared, sleep }) =>
    client.consumer(orders, { ...GROUP, concurrency: 4 }).run(async ({ body }) => {
      await sleep(50);
      if (body.type === "paid") shared.paid.add(body.orderId);
      else if (!shared.paid.has(body.orderId)) shared.tooEarly++;
    }),
};
const noneTooEarly: Options["check"] = ({ shared, history }) => {
  if (shared.tooEarly > 0) throw new Error(`shipped before paid, ${history.length} steps`);
};
const run = (over: Partial<Options>) =>
  simulate<Outside>({
    seeds: 1,
    topics: [orders, unkeyed, ledger],
    shared: () => ({ paid: new Set(), shipped: [], tooEarly: 0 }),
    processes: { shop, stock },
    ...FAST,
    ...over,
  });
const failure = async (over: Partial<Options>): Promise<SimulationError> => {
  try {
    await run(over);
  } catch (error) {
    if (error instanceof SimulationError) return error;
    throw error;
  }
  throw new Error("no seed failed");
};

describe("simulate", () => {
  it("passes a consumer that is right, and reports what it went through", async () => {
    const seen: number[] = [];
    const report = await run({
      seeds: 100,
      check: ({ shared, history, seed }) => {
        noneTooEarly({ shared, history, seed });
        if (shared.paid.size < 10) throw new Error(`only ${shared.paid.size} orders were paid`);
      },
      onRun: ({ seed }) => seen.push(seed),
    });
    expect(seen).toEqual(Array.from({ length: 100 }, (_, at) => at + 1));
    expect(report.runs).toHaveLength(100);
    expect(Object.keys(report.faults).sort()).toEqual([...SIMULATED_FAULTS].sort());
    expect(Object.entries(report.faults).filter(([, times]) => times === 0)).toEqual([["powerLoss", 0]]);
    expect(report.sometimes.handledAgain).toBeGreaterThan(0);
    expect(report.virtualMs).toBeGreaterThan(100 * FAST.faultsForMs);
    expect(report.historyLines).toBe(report.runs.reduce((sum, { historyLines }) => sum + historyLines, 0));
  });
  it("does the same again for the same seeds, and for each of them alone", async () => {
    const [once, again] = [await run({ seeds: [3, 4, 5] }), await run({ seeds: [3, 4, 5] })];
    expect(again).toEqual(once);
    expect(new Set(once.runs.map(({ traceHash }) => traceHash)).size).toBe(3);
    const lines: HistoryEvent[] = [];
    const alone = await run({ seeds: [4], onLine: (line) => lines.push(line) });
    expect(alone.traceHash).toBe(once.runs[1]?.traceHash);
    expect(lines).toHaveLength(alone.historyLines);
  });
  it("strikes with nothing but what it was told to", async () => {
    const report = await run({ seeds: 5, faults: ["freeze"] });
    expect(report.faults).toMatchObject({ crash: 0, cut: 0 });
    expect(report.faults.freeze).toBeGreaterThanOrEqual(5);
    expect((await run({ seeds: 2, faults: [] })).faults).toMatchObject({ crash: 0, freeze: 0 });
  });
});

describe("simulate catches", () => {
  it("a handler that does not wait for what it does: its seed, the plan, the line that runs it again", async () => {
    const broken: Options = {
      ...({} as Options),
      processes: {
        shop,
        stock: {
          start: ({ client, shared, runtime, sleep }) =>
            client.consumer(orders, GROUP).run(({ body }) => {
              const later = async () => {
                await sleep(body.type === "paid" ? runtime.random() * 100 : 20);
                if (body.type === "paid") shared.paid.add(body.orderId);
                else if (!shared.paid.has(body.orderId)) shared.tooEarly++;
              };
              void later();
            }),
        },
      },
      check: noneTooEarly,
    };
    const error = await failure({ ...broken, seeds: 20 });
    expect(error).toMatchObject({ code: "SIMULATION_FAILED", name: "SimulationError" });
    expect(error.problems[0]).toMatchObject({ broken: "check", cause: { message: expect.any(String) } });
    expect(error.cause).toBe(error.problems[0]?.cause);
    expect(error.message).toContain(`seed ${error.seed} fails`);
    expect(error.message).toContain("the check failed: Error: shipped before paid");
    expect(error.message).toContain("  stock-1 from ");
    expect(error.message).toMatch(/ at \d+ ms: \w+/);
    expect(error.message).toContain(`run it again with: seeds: [${error.seed}]`);
    expect(error.message).not.toContain("another course");
    const replay = await failure({ ...broken, seeds: [error.seed] });
    expect(replay.traceHash).toBe(error.traceHash);
    expect(replay.message).toBe(error.message);
  });
  it("an order shipped before it is paid on a topic without keys", async () => {
    const error = await failure({
      seeds: 50,
      faults: ["cut", "crash"],
      processes: {
        shop: {
          start: async ({ client, sleep }) => {
            const producer = client.producer(unkeyed);
            for (let n = 0; n < 20; n++) {
              void producer.send({ type: "paid", orderId: `${n}` });
              void producer.send({ type: "shipped", orderId: `${n}` });
              await sleep(300);
            }
            await producer.flush();
          },
        },
        stock: {
          count: 2,
          start: ({ client, shared, runtime, sleep }) =>
            client.consumer(unkeyed, { group: "stock" }).run(async ({ body }) => {
              await sleep(runtime.random() * 50);
              if (body.type === "paid") shared.paid.add(body.orderId);
              else if (!shared.paid.has(body.orderId)) shared.tooEarly++;
            }),
        },
      },
      check: noneTooEarly,
    });
    expect(error.problems[0]?.broken).toBe("check");
    expect(error.message).toMatch(/those it takes to fail marked \*\n(?! *\*)/);
  });
  it("an effect without a fence, and the fault it takes; with the fence it passes", async () => {
    /** Reads, works, writes what it read and one more: two of them at once lose one. */
    const tally = (fenced: boolean): Partial<SimulationOptions<{ fence: number; orders: string[] }>> => ({
      seeds: fenced ? 10 : 40,
      faults: ["freeze"],
      faultsForMs: 20_000,
      shared: () => ({ fence: 0, orders: [] }),
      processes: {
        shop: {
          start: async ({ client, sleep }) => {
            const producer = client.producer(ledger);
            for (let n = 0; n < 60; n++) {
              void producer.send({ type: "paid", orderId: "one" }, { id: `${n}` });
              await sleep(250);
            }
            await producer.flush();
          },
        },
        ledger: {
          count: 2,
          start: ({ client, shared, sleep }) =>
            client.consumer(ledger, { group: "stock", leaseTtlMs: 1_500 }).run(async ({ id }, { fence }) => {
              if (shared.orders.includes(id ?? "")) return;
              const before = shared.orders;
              await sleep(150);
              if (fenced && fence < shared.fence) throw new Error("somebody else has the lease");
              shared.fence = Math.max(shared.fence, fence);
              shared.orders = [...before, id ?? ""];
            }),
        },
      },
      check: ({ shared }) => {
        if (shared.orders.length !== 60) throw new Error(`${shared.orders.length} of 60`);
      },
    });
    const all = (fenced: boolean) =>
      simulate({ seeds: 1, topics: [ledger], processes: {}, heartbeatMs: 500, ...tally(fenced) });
    await expect(all(true)).resolves.toBeDefined();
    await expect(all(false)).rejects.toThrow(/of 60[\s\S]*\n\* at \d+ ms: freeze target=ledger-/);
  });
  it("a process that waits for what never comes (P8), in virtual time", async () => {
    const [from, healWithinMs, waits] = [performance.now(), 600_000, new Promise(() => {})];
    const error = await failure({
      faults: [],
      healWithinMs,
      processes: { shop, stock, stuck: { start: () => waits } },
    });
    expect(error.problems).toMatchObject([{ broken: "P8" }]);
    expect(error.message).toContain("stuck-1: its program has neither ended nor does it consume");
    expect(performance.now() - from).toBeLessThan(healWithinMs / 10);
  });
  it("a handler that never ends (P8), with the queue where it stands", async () => {
    const error = await failure({
      faults: [],
      processes: {
        shop,
        stock: { start: ({ client }) => client.consumer(orders, GROUP).run(() => new Promise(() => {})) },
      },
    });
    expect(error.problems[0]?.broken).toBe("P8");
    expect(error.message).toMatch(/orders\/\d for group stock: a backlog of \d+, cursor at 0 of \d+/);
  });
  it("what a process throws, in its program or out of a timer", async () => {
    const thrown = new TypeError("undefined is not a shop");
    const start = () => Promise.reject(thrown);
    const error = await failure({ processes: { shop: { start }, stock } });
    expect(error.problems[0]).toMatchObject({ broken: "process", cause: thrown });
    expect(error.message).toContain("a process failed");
    expect(error.message).toContain("shop-1#1 threw TypeError: undefined is not a shop");
    const inTimer = await failure({
      processes: {
        shop: {
          start: ({ runtime }) =>
            runtime.setTimeout(() => {
              throw thrown;
            }, 10),
        },
      },
    });
    expect(inTimer.problems[0]).toMatchObject({ broken: "process", cause: thrown, atMs: expect.any(Number) });
  });
  it("a course that is not the seed's: randomness of its own", async () => {
    let n = 0; // outlives the run, as Math.random would
    const error = await failure({
      faults: [],
      processes: {
        shop: {
          start: async ({ client }) => {
            await client.producer(orders).send({ type: "paid", orderId: `o-${n++}` });
            throw new Error("always");
          },
        },
      },
    });
    expect(error.message).toContain("it took another course when it was run again");
  });
});

describe("in a simulation", () => {
  it("a program ended by what a fault did is started again, as its next incarnation", async () => {
    const report = await run({
      seeds: 10,
      faults: ["partition"],
      processes: {
        shop: {
          start: async ({ client, shared, incarnation, sleep }) => {
            const producer = client.producer(orders, { sendTimeoutMs: 500 });
            for (let n = 0; n < 20; n++) {
              await producer.send({ type: "paid", orderId: "o-1" }, { id: `${n}` }); // rejects while it is cut off
              await sleep(300);
            }
            shared.shipped.push(`${incarnation}`);
          },
        },
        stock,
      },
      check: ({ shared, history }) => {
        expect(shared.shipped).toHaveLength(1);
        expect(history.some(({ process }) => process === `shop-1#${shared.shipped[0]}`)).toBe(true);
      },
    });
    expect(report.sometimes.sendOutcomeUnknown).toBeGreaterThan(0);
  });
  it("a process that is told to leave hears it, and leaving is no failure", async () => {
    let told = 0;
    await run({
      seeds: 10,
      faults: ["leave"],
      processes: {
        shop,
        stock,
        idle: {
          start: ({ signal, client }) => {
            void client.consumer(orders, { group: "idle" }).run(() => {});
            return new Promise((_, reject) => {
              signal.addEventListener("abort", () => {
                told++;
                reject(signal.reason);
              });
            });
          },
        },
      },
    });
    expect(told).toBeGreaterThanOrEqual(10);
  });
  it("messages without ids, set aside and redriven by a process, raise no false alarm", async () => {
    const report = await run({
      seeds: 20,
      faults: SIMULATED_FAULTS,
      processes: {
        shop: {
          start: async ({ client, sleep }) => {
            const producer = client.producer(ledger, { durability: "memory" });
            for (let n = 0; n < 30; n++) {
              producer.send({ type: "paid", orderId: `${n % 3}` }).catch(() => {});
              await sleep(100);
            }
          },
        },
        stock: {
          count: 2,
          start: ({ client, runtime }) =>
            client.consumer(ledger, { ...GROUP, retry: { attempts: 2, initialMs: 10 } }).run(() => {
              if (runtime.random() < 0.3) throw new Error("not now");
            }),
        },
        clerk: {
          start: async ({ client, sleep }) => {
            const aside = client.admin.setAside(ledger, { group: "stock" });
            for (let n = 0; n < 10; n++) {
              await sleep(800);
              for await (const { entry, kind, key } of aside.list())
                if (kind === "parked") await aside.redrive(key, { reason: "again" }).catch(() => {});
                else await aside.retry(entry, { reason: "again" }).catch(() => {});
            }
          },
        },
      },
    });
    expect(report.sometimes.parked).toBeGreaterThan(0);
  });
  it("a power loss takes nothing that was synced", async () => {
    const report = await run({
      seeds: 10,
      faults: ["powerLoss"],
      processes: {
        shop: {
          start: async ({ client, sleep, shared }) => {
            const producer = client.producer(orders, { durability: "synced" });
            for (let n = 0; n < 20; n++) {
              await producer.send({ type: "paid", orderId: `${n}` }, { id: `${n}` });
              shared.shipped.push(`${n}`);
              await sleep(200);
            }
          },
        },
        stock,
      },
      check: ({ shared }) => expect([...shared.paid].sort()).toEqual([...new Set(shared.shipped)].sort()),
    });
    expect(report.faults.powerLoss).toBeGreaterThanOrEqual(10);
  });
  it("a message without a key is appended once under its id, whoever sends it again (P2)", async () => {
    await run({
      seeds: 3,
      faults: ["cut"],
      processes: {
        shop: {
          count: 3,
          start: async ({ client, name }) => {
            const producer = client.producer(unkeyed);
            if (name !== "shop-1") void producer.send({ type: "paid", orderId: name }); // puts their turns out of step
            for (let n = 0; n < 10; n++) void producer.send({ type: "paid", orderId: `${n}` }, { id: `${n}` });
            await producer.flush();
          },
        },
      },
      check: ({ history }) => {
        const places = history.flatMap((line) =>
          line.type === "sent" && line.id !== null ? [`${line.id} ${line.queue}/${line.offset}`] : [],
        );
        expect(new Set(places).size).toBe(10);
      },
    });
  });
  it("a group that nobody ever joined, because its consumer was closed before, holds nothing up", async () => {
    await run({
      faults: [],
      processes: {
        shop,
        hasty: {
          start: async ({ client }) => {
            const consumer = client.consumer(orders, { group: "never" });
            const ran = consumer.run(() => {});
            await consumer.close();
            await ran;
          },
        },
      },
    });
  });
});

describe("simulate refuses", () => {
  const cases: readonly [what: string, over: object, option: string][] = [
    ["no seeds", { seeds: 0 }, "seeds"],
    ["seeds that are no numbers", { seeds: [1.5] }, "seeds"],
    ["several brokers", { brokers: 2 }, "brokers"],
    ["an unknown fault", { faults: ["earthquake"] }, "faults"],
    ["no topics", { topics: [] }, "topics"],
    ["one topic twice", { topics: [orders, orders] }, "topics"],
    ["no processes", { processes: {} }, "processes"],
    ["a process called broker", { processes: { broker: { start: () => {} } } }, "processes"],
    ["a process without a program", { processes: { shop: {} } }, "processes.shop.start"],
    ["no process of a kind", { processes: { shop: { ...shop, count: 0 } } }, "processes.shop.count"],
    ["no time to heal", { healWithinMs: -1 }, "healWithinMs"],
    ["no time for faults", { faultsForMs: Number.NaN }, "faultsForMs"],
    ["a check that cannot be called", { check: true }, "check"],
  ];
  it.each(cases)("%s", async (_, over, option) => {
    const error = await run(over as Partial<Options>).catch((error: unknown) => error);
    expect(isMessagingError(error, "OPTION_INVALID")).toBe(true);
    expect(error).toMatchObject({ data: { option } });
  });
});
