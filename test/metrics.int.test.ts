import { readFileSync } from "node:fs";
import { createSystem, type Metrics, provide, tokens, topic, typed } from "@seriatim/actors";
import { createMemoryStore, MemoryDisk } from "@seriatim/actors/store";
import { memoryTransport } from "@seriatim/transport-memory";
import { describe, expect, it } from "vitest";
import { quoted, tableOf } from "./documents.fixture.ts";
import { until } from "./lines.fixture.ts";
import { inRepository } from "./program.fixture.ts";

const jobs = topic("jobs", { schema: typed<{ id: string }>(), key: ({ id }) => id.slice(0, 1), queues: 1 });
const mails = topic("mails", { schema: typed<{ id: string }>(), key: null, ordered: false, queues: 1 });

class Recorder implements Metrics {
  readonly totals = new Map<string, number>();
  readonly labels = new Map<string, string[]>();
  calls = 0;
  count(name: string, n: number, labels: Readonly<Record<string, string>>): void {
    expect(n).toBeGreaterThan(0);
    this.calls++;
    this.labels.set(name, Object.keys(labels));
    const series = [name.slice("seriatim_".length, -"_total".length), ...Object.values(labels)].join(" ");
    this.totals.set(series, (this.totals.get(series) ?? 0) + n);
  }
}

/** The labels of each counter, as the guide has them. */
const documented = new Map(
  tableOf("docs/api.md", "counter").map(([name, labels]) => [quoted(name)[0] ?? "", quoted(labels)] as const),
);

describe("a broker's counters", () => {
  it("are those of the guide's table, and add up to what has happened", async () => {
    const recorder = new Recorder();
    const disk = new MemoryDisk();
    const modules = [
      memoryTransport(),
      provide(tokens.metrics, () => recorder),
      provide(tokens.store, (get) => createMemoryStore({ runtime: get(tokens.runtime), disk })),
    ];
    const small = topic("small", {
      schema: typed<{ text: string }>(),
      key: null,
      queues: 1,
      retention: { bytesMax: 100 },
    });
    const system = await createSystem({ modules, topics: [jobs, mails, small] });

    const producer = system.producer(jobs);
    const sent = ["a1", "b1", "a2", "b2"].map((id) => producer.send({ id }, { id }));
    await Promise.all(sent);
    expect((await producer.send({ id: "b2" }, { id: "b2" })).duplicate).toBe(true);

    const consumer = system.consumer(jobs, { group: "g", retry: { attempts: 1 } });
    void consumer.run(({ body }) => {
      if (body.id === "a1") throw new Error("a1 is broken");
    });
    await consumer.caughtUp();
    const mailing = system.consumer(mails, { group: "m", retry: { attempts: 1 } });
    void mailing.run(({ body }) => {
      if (body.id === "lost") throw new Error("no such address");
    });
    const mailer = system.producer(mails);
    await Promise.all(["x", "lost"].map((id) => mailer.send({ id })));
    await mailing.caughtUp();
    expect(Object.fromEntries(recorder.totals)).toEqual({
      links_opened: 1,
      "messages_appended jobs": 4,
      "messages_duplicate jobs": 1,
      "messages_delivered jobs g": 4,
      "messages_settled jobs g": 2,
      "messages_parked jobs g": 2,
      "leases_granted jobs g": 1,
      "messages_appended mails": 2,
      "messages_delivered mails m": 2,
      "messages_settled mails m": 1,
      "messages_dead_lettered mails m": 1,
    });

    await system.admin.setAside(jobs, { group: "g" }).discard("a", { reason: "test" });
    expect(recorder.totals.get("messages_settled jobs g")).toBe(2); // given up is not settled
    const strict = system.consumer(jobs, { group: "h", exhausted: "halt", retry: { attempts: 1 } });
    const broken = new Set(["b1"]);
    void strict.run(({ body }) => {
      if (broken.delete(body.id)) throw new Error("once");
    });
    const orders = system.admin.setAside(jobs, { group: "h" });
    const halted = await until(
      async () => {
        for await (const { entry } of orders.list()) return entry;
        return "";
      },
      (entry) => entry !== "",
    );
    await orders.retry(halted, { reason: "test" });
    await strict.caughtUp();
    // the end of a halt asks for the lease, and a lease that is given back is not lost
    expect([...recorder.totals.keys()].filter((series) => series.startsWith("leases_lost"))).toEqual([]);
    expect(recorder.totals.get("leases_granted jobs h")).toBe(2);
    expect(recorder.totals.get("messages_settled jobs h")).toBe(4);

    const unlucky = system.consumer(jobs, { group: "i" });
    let handled = 0;
    void unlucky.run(() => {
      if (handled++ > 0) return;
      disk.beforeApply = () => {
        disk.beforeApply = undefined;
        throw new Error("the disk failed");
      };
    });
    await unlucky.caughtUp();
    expect(recorder.totals.get("leases_lost jobs i fenced")).toBe(1);
    expect(recorder.totals.get("leases_granted jobs i")).toBe(2);
    expect(recorder.totals.get("messages_settled jobs i")).toBe(4);

    let settle = () => {};
    const settled = new Promise<void>((resolve) => {
      settle = resolve;
    });
    void system.consumer(small, { group: "s" }).run(() => settled);
    await until(
      async () => recorder.totals.get("leases_granted small s"),
      (granted) => granted === 1,
    );
    await system.producer(small).send({ text: "x".repeat(200) });
    const noRoom = system.producer(small).send({ text: "no room" });
    await until(
      async () => recorder.totals.get("batches_refused small QUEUE_FULL") ?? 0,
      (batches) => batches > 0,
    );
    settle();
    expect((await noRoom).duplicate).toBe(false);
    await system.close();
    expect(recorder.totals.get("links_closed")).toBe(1);
    for (const [name, labels] of recorder.labels) expect([name, labels]).toEqual([name, documented.get(name)]);
  });
  it("are all in the table, and nothing else is", () => {
    const source = readFileSync(inRepository("packages/actors/src/log/counters.ts"), "utf8");
    const names = [...source.matchAll(/"(seriatim_\w+)"/g)].map(([, name]) => name);
    expect([...documented.keys()].sort()).toEqual(names.sort());
  });
  it("count a thousand messages in far fewer calls", async () => {
    const recorder = new Recorder();
    const modules = [memoryTransport(), provide(tokens.metrics, () => recorder)];
    await using system = await createSystem({ modules, topics: [jobs] });
    const producer = system.producer(jobs);
    await Promise.all(Array.from({ length: 1_000 }, (_, at) => producer.send({ id: `${at % 10}` })));
    const consumer = system.consumer(jobs, { group: "g", inFlightMax: 1_000 });
    void consumer.run(() => {});
    await consumer.caughtUp();
    expect(recorder.totals.get("messages_appended jobs")).toBe(1_000);
    expect(recorder.totals.get("messages_delivered jobs g")).toBe(1_000);
    expect(recorder.totals.get("messages_settled jobs g")).toBe(1_000);
    expect(recorder.calls).toBeLessThan(200);
  });
  it("that throw harm nothing, and are logged once", async () => {
    const logged: string[] = [];
    const throwing: Metrics = {
      count: () => {
        throw new Error("the registry is closed");
      },
    };
    const logger = provide(tokens.logger, () => ({ log: (_level, text) => void logged.push(text) }));
    const modules = [memoryTransport(), provide(tokens.metrics, () => throwing), logger];
    await using system = await createSystem({ modules, topics: [jobs] });
    await system.producer(jobs).send({ id: "a1" });
    const consumer = system.consumer(jobs, { group: "g" });
    const handled: string[] = [];
    void consumer.run(({ body }) => void handled.push(body.id));
    await consumer.caughtUp();
    expect(handled).toEqual(["a1"]);
    expect(logged.filter((text) => text.includes("threw"))).toEqual([
      'metrics: count("seriatim_links_opened_total") threw; later ones that do are not logged',
    ]);
  });
});
