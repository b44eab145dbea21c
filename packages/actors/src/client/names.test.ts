// Names that are another principal's, as a client's user meets them.
import { describe, expect, it } from "vitest";
import { BrokerBench } from "../broker/broker.fixture.ts";
import type { SystemEvent } from "../contracts/events.ts";
import { topic, typed } from "../message/topic.ts";
import { createClientCore } from "./client.ts";
import type { Client } from "./client-api.ts";

const lines = topic("t", { schema: typed<string>(), key: "send", queues: 2 });
const notOwn = (name: string) => expect.objectContaining({ code: "NAME_IN_USE", data: { name, principal: "mallory" } });

async function two(): Promise<{ bench: BrokerBench; alice: Client; mallory: Client }> {
  const bench = await BrokerBench.start({ topics: [lines] });
  const client = (name: string) =>
    bench.runtime.run(createClientCore({ name, transport: bench.transportOf(name), runtime: bench.runtime }));
  return { bench, alice: await client("alice"), mallory: await client("mallory") };
}

describe("a name that is another principal's", () => {
  it("fails the sends of a producer that asks for it, while the rightful one goes on; it is fenced by nobody", async () => {
    const { bench, alice, mallory } = await two();
    const told: SystemEvent["type"][] = [];
    alice.events$.subscribe(({ type }) => told.push(type));
    const own = alice.producer(lines, { name: "payments" });
    const { runtime } = bench;
    await runtime.run(own.send("one", { key: "k" }));
    const other = mallory.producer(lines, { name: "payments" });
    for (const key of ["k", "a", "b", "c"])
      await expect(runtime.run(other.send("no", { key }))).rejects.toThrow(notOwn("payments"));
    await runtime.run(own.send("two", { key: "k" }));
    for (const key of ["a", "b", "c"]) await runtime.run(own.send("too", { key }));
    expect(told).not.toContain("producer.fenced");
    await runtime.run(alice.admin.releaseName(lines, { producer: "payments" }, { reason: "handed over" }));
    expect(told).toContain("name.released");
    await runtime.run(other.send("yes", { key: "k" }));
    await expect(runtime.run(own.send("no", { key: "k" }))).rejects.toThrow(
      expect.objectContaining({ code: "PRODUCER_FENCED" }),
    );
    for (const client of [alice, mallory]) await runtime.run(client.close());
  });
  it("is waited for by a consumer, as that of a member found dead is, then ends it; it is free once the other is closed", async () => {
    const { bench, alice, mallory } = await two();
    const { runtime } = bench;
    const consume = (client: Client) => client.consumer(lines, { group: "g", name: "worker" });
    const own = consume(alice);
    void own.run(() => {});
    await runtime.advance(1_000);
    await expect(runtime.run(consume(mallory).run(() => {}))).rejects.toThrow(notOwn("worker"));
    const patient = consume(mallory);
    const running = patient.run(() => {});
    await runtime.advance(2_000);
    await runtime.run(own.close());
    await runtime.run(patient.ready());
    await runtime.run(patient.close());
    await runtime.run(running);
    for (const client of [alice, mallory]) await runtime.run(client.close());
  });
});

describe("an order to release a name", () => {
  it("names what there may be, and says why", async () => {
    const { bench, alice } = await two();
    const invalid = expect.objectContaining({ code: "OPTION_INVALID" });
    const because = { reason: "r" };
    const { admin } = alice;
    await expect(admin.releaseName(lines, { producer: "not a name" }, because)).rejects.toThrow(invalid);
    await expect(admin.releaseName(lines, { group: "g", consumer: "" }, because)).rejects.toThrow(invalid);
    await expect(admin.releaseName(lines, { producer: "p" }, { reason: " " })).rejects.toThrow(invalid);
    await expect(
      bench.runtime.run(admin.releaseName(lines, { group: "nobody", consumer: "c" }, because)),
    ).rejects.toThrow(invalid);
    await bench.runtime.run(admin.releaseName(lines, { producer: "nobody" }, because));
    await bench.runtime.run(alice.close());
  });
});
