import { isMessagingError } from "@seriatim/actors/client";
import { describe, expect, it } from "vitest";
import type { HistoryEvent } from "../../history/history-event.ts";
import { SIMULATED_FAULTS } from "../index.ts";
import {
  failure,
  GROUP,
  ledger,
  noneTooEarly,
  type Options,
  orders,
  run,
  shop,
  stock,
  unkeyed,
} from "./simulate.fixture.ts";

describe("simulate", () => {
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
