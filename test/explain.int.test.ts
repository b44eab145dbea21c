// Why a key is where it is: the sentence, the state and what blocks it, from a system at work.
import { createBroker, createClient, provide, systemRuntime, tokens, topic, typed } from "@seriatim/actors";
import { createMemoryStore, MemoryDisk } from "@seriatim/actors/store";
import { memoryTransport } from "@seriatim/transport-memory";
import { describe, expect, it } from "vitest";
import { LinesScene, lines, until } from "./lines.fixture.ts";

const because = { reason: "the bank is back" };
const LEASE = /lease epoch \d+ held by client-\w+, expires in \d+\.\d s/;
/** The group's view of a key, once it is in this state. */
async function view(scene: LinesScene, state: string, key = "a") {
  const { text, groups } = await until(
    () => scene.system.explain(lines, key),
    ({ groups }) => groups[0]?.state === state,
  );
  expect(text).toBe(`g: ${groups[0]?.text}`);
  return groups[0];
}

describe("explain says of a key", () => {
  it("that nothing of it waits, and who holds the lease: idle", async () => {
    await using scene = await LinesScene.open();
    expect(await scene.system.explain(lines, "a")).toMatchObject({ text: "no group consumes this topic", groups: [] });
    await scene.consume();
    await scene.send("b1");
    await scene.settles(1);
    const idle = await view(scene, "idle");
    expect(idle).toMatchObject({ group: "g", backlog: 0, lagMs: 0, blockedBy: null });
    expect(idle?.text).toMatch(new RegExp(`^nothing of this key waits; ${LEASE.source}$`));
    expect(idle?.lease).toMatchObject({ holder: scene.system.name });
  });
  it("which message a consumer has in hand: handling", async () => {
    await using scene = await LinesScene.open();
    const open = scene.gate("a1");
    await scene.consume();
    await scene.send("a1", "a2", "a3");
    const handling = await view(scene, "handling");
    expect(handling).toMatchObject({ backlog: 3, blockedBy: { offset: 0, attempt: 1, error: null } });
    expect(handling?.text).toMatch(new RegExp(`^message 0 is with the consumer; 2 behind it; ${LEASE.source}$`));
    open();
    await view(scene, "idle");
  });
  it("how many messages are before it: waiting", async () => {
    await using scene = await LinesScene.open();
    const open = scene.gate("b1");
    await scene.consume("park", { inFlightMax: 1 });
    await scene.send("b1", "b2", "a1", "a2");
    const waiting = await view(scene, "waiting");
    expect(waiting).toMatchObject({ backlog: 2, blockedBy: null });
    expect(waiting?.text).toMatch(
      new RegExp(`^message 2 waits its turn, 2 message\\(s\\) of the queue before it; 1 behind it; ${LEASE.source}$`),
    );
    open();
    await view(scene, "idle");
  });
  it("how often it has failed: backing off", async () => {
    await using scene = await LinesScene.open();
    scene.broken.add("a1");
    await scene.consume("park", { attempts: 3, initialMs: 60_000 });
    await scene.send("a1", "a2");
    const backingOff = await view(scene, "backingOff");
    expect(backingOff).toMatchObject({ backlog: 2, blockedBy: { offset: 0, attempt: 2, error: null } });
    expect(backingOff?.text).toMatch(
      new RegExp(`^message 0 has failed 1 time\\(s\\) and is tried again in place; 1 behind it; ${LEASE.source}$`),
    );
  });
  it("since when it is parked, behind what and why; then that it is redriven: parked", async () => {
    await using scene = await LinesScene.open();
    scene.broken.add("a1");
    await scene.consume();
    await scene.send("a1", "a2");
    await scene.entry();
    const parked = await view(scene, "parked");
    expect(parked).toMatchObject({ backlog: 2, blockedBy: { offset: 0, attempt: 1, error: "a1 is broken" } });
    expect(parked?.text).toMatch(
      new RegExp(
        `^parked since \\d\\d:\\d\\d UTC behind message 0 \\(Error: a1 is broken\\); 1 behind it; ${LEASE.source}$`,
      ),
    );
    scene.broken.clear();
    const open = scene.gate("a1");
    await scene.aside.redrive("a", because);
    expect((await view(scene, "parked"))?.text).toMatch(
      new RegExp(`^being redriven from message 0 on \\(Error: a1 is broken\\); 1 behind it; ${LEASE.source}$`),
    );
    open();
    await view(scene, "idle");
  });
  it("at which message its queue stands still, whatever that one's key: halted", async () => {
    await using scene = await LinesScene.open();
    scene.broken.add("b1");
    await scene.consume("halt");
    await scene.send("b1", "a1", "a2");
    const halted = await view(scene, "halted");
    expect(halted).toMatchObject({ backlog: 2, blockedBy: { offset: 0, attempt: 1, error: "b1 is broken" } });
    expect(halted?.text).toBe("the queue is halted at message 0 (Error: b1 is broken); 2 of this key wait");
  });
  it("that nobody holds the lease: unleased", async () => {
    await using scene = await LinesScene.open();
    await (await scene.consume()).close();
    await scene.send("a1");
    expect(await view(scene, "unleased")).toMatchObject({
      backlog: 1,
      lease: null,
      blockedBy: null,
      text: "1 wait, and nobody holds the queue's lease: no member of the group is connected, or it is being handed over",
    });
  });
  it("that an older lease may still be live after a restart: unleased", async () => {
    const orders = topic("orders", { schema: typed<{ id: string }>(), key: ({ id }) => id, queues: 1 });
    const disk = new MemoryDisk({ runtime: systemRuntime() });
    const store = provide(tokens.store, (get) => createMemoryStore({ runtime: get(tokens.runtime), disk }));
    const before = memoryTransport();
    const first = await createBroker({ modules: [before, store], topics: [orders] });
    const client = await createClient({ name: "one", modules: [before] });
    const consumer = client.consumer(orders, { group: "g", leaseTtlMs: 700 });
    void consumer.run((_, { signal }) => new Promise((ended) => signal.addEventListener("abort", () => ended())));
    await consumer.ready();
    await client.producer(orders).send({ id: "a" });
    await until(
      () => client.explain(orders, "a"),
      ({ groups }) => groups[0]?.state === "handling",
    );
    await first.close();
    await using broker = await createBroker({ modules: [memoryTransport(), store], topics: [orders] });
    const { groups } = await broker.explain(orders, "a");
    expect(groups).toMatchObject([{ state: "unleased", backlog: 1, blockedBy: null, lease: { holder: "one" } }]);
    expect(groups[0]?.text).toMatch(
      /^1 wait; the broker has restarted, and one may still hold the lease for another \d+\.\d s$/,
    );
    await client.close({ timeoutMs: 10 });
  });
  it("all of it for each group by itself", async () => {
    await using scene = await LinesScene.open();
    scene.broken.add("a1");
    await scene.consume();
    const other = scene.system.consumer(lines, { group: "h" });
    void other.run(() => {});
    await scene.send("a1");
    const { text, groups } = await until(
      () => scene.system.explain(lines, "a"),
      ({ groups }) => groups.map(({ state }) => state).join() === "parked,idle",
    );
    expect(text).toBe(groups.map((group) => `${group.group}: ${group.text}`).join("; "));
  });
});
