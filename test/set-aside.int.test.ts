// Orders of people about what was set aside, end to end: client, frames, broker, consumer.
import { createSystem, type Right, topic, typed } from "@seriatim/actors";
import { memoryTransport } from "@seriatim/transport-memory";
import { describe, expect, it } from "vitest";
import { codeOf, LinesScene, lines, until } from "./lines.fixture.ts";

const because = { reason: "the bank is back" };
/** Key a is parked at its first message, two behind it; key b has gone on. */
async function parked(): Promise<LinesScene> {
  const scene = await LinesScene.open();
  scene.broken.add("a1");
  await scene.consume();
  await scene.send("a1", "b1", "a2", "a3", "b2");
  await scene.handles("b1", "b2");
  await scene.settles(2);
  return scene;
}
/** The queue stands still at a1. */
async function halted(): Promise<LinesScene> {
  const scene = await LinesScene.open();
  scene.broken.add("a1");
  await scene.consume("halt");
  await scene.send("a1", "b1", "a2");
  expect((await scene.entry()).kind).toBe("halted");
  return scene;
}

describe("a parked key", () => {
  it("is listed by its head and peeked in order; later messages wait behind it, other keys go on", async () => {
    await using scene = await parked();
    await scene.send("a4", "b3");
    await scene.handles("b1", "b2", "b3");
    expect(await scene.entry()).toMatchObject({
      kind: "parked",
      key: "a",
      behind: 3,
      attempts: 1,
      error: { name: "Error", message: "a1 is broken" },
      message: { offset: 0, key: "a", body: { text: "a1" } },
    });
    const peeked = await scene.aside.peek("a");
    expect(peeked.map(({ body }) => body?.text)).toEqual(["a1", "a2", "a3", "a4"]);
    expect((await scene.aside.peek("a", { limit: 2 })).map(({ offset }) => offset)).toEqual([0, 2]);
    expect(scene.orders("key.parked")).toMatchObject([{ key: "a", offset: 0 }, { key: "a" }]);
  });
  it("retried runs its head and then what waits behind it, before anything newer", async () => {
    await using scene = await parked();
    const { entry } = await scene.entry();
    scene.broken.clear();
    await scene.aside.retry(entry, because);
    await scene.send("a4");
    await scene.handles("b1", "b2", "a1", "a2", "a3", "a4");
    await scene.settles(6);
    expect(await scene.account()).toMatchObject({ deadLettered: [], parked: [], discarded: [], backlog: 0 });
    expect(await scene.listed()).toEqual([]);
    const told = { type: "message.retried", topic: "lines", queue: 0, group: "g", offset: 0, key: "a", ...because };
    expect(scene.orders("message.retried")).toEqual([
      { ...told, by: "ops" },
      { ...told, by: scene.system.name },
    ]);
  });
  it("retried while it still fails is parked again, in order, with its new error", async () => {
    await using scene = await parked();
    const { entry } = await scene.entry();
    await scene.aside.retry(entry, because);
    await expect
      .poll(() => scene.orders("key.parked").length + scene.orders("attempt.failed").length)
      .toBeGreaterThan(3);
    const again = await scene.entry();
    expect(again).toMatchObject({ entry, behind: 2, attempts: 1 });
    expect(await scene.account()).toMatchObject({ settled: 2, deadLettered: [0], parked: [2, 3] });
    scene.broken.clear();
    await scene.aside.redrive("a", because);
    await scene.handles("b1", "b2", "a1", "a2", "a3");
  });
  it("whose later message fails while it is redriven is parked at that one", async () => {
    await using scene = await parked();
    scene.broken.clear();
    scene.broken.add("a2");
    expect(await scene.aside.redrive("a", because)).toEqual({ redriven: 3 });
    await scene.handles("b1", "b2", "a1");
    await scene.settles(3);
    await expect.poll(async () => (await scene.entry()).error.message).toBe("a2 is broken");
    expect(await scene.entry()).toMatchObject({ behind: 1, message: { body: { text: "a2" } } });
    expect(await scene.account()).toMatchObject({ deadLettered: [2], parked: [3], backlog: 0 });
  });
  it("skipped gives its head up and runs what waits behind it", async () => {
    await using scene = await parked();
    const { entry } = await scene.entry();
    await scene.aside.skip(entry, because);
    await scene.handles("b1", "b2", "a2", "a3");
    await scene.settles(4);
    expect(await scene.account()).toMatchObject({ discarded: [0], deadLettered: [], parked: [], backlog: 0 });
    const told = { type: "message.skipped", topic: "lines", queue: 0, group: "g", offset: 0, key: "a", ...because };
    expect(scene.orders("message.skipped")).toEqual([
      { ...told, by: "ops" },
      { ...told, by: scene.system.name },
    ]);
    await scene.send("a4");
    await scene.handles("b1", "b2", "a2", "a3", "a4");
  });
  it("replaced runs the new body in the head's place", async () => {
    await using scene = await parked();
    const { entry } = await scene.entry();
    await scene.aside.replace(entry, { text: "a1", body: "a1 mended" }, because);
    await scene.handles("b1", "b2", "a1 mended", "a2", "a3");
    await scene.settles(5);
    expect(await scene.account()).toMatchObject({ deadLettered: [], parked: [], discarded: [], backlog: 0 });
    const told = { type: "message.replaced", topic: "lines", queue: 0, group: "g", offset: 0, key: "a", ...because };
    expect(scene.orders("message.replaced")).toEqual([
      { ...told, by: "ops" },
      { ...told, by: scene.system.name },
    ]);
  });
  it("is not replaced by a body of another key, nor by one its schema refuses", async () => {
    await using scene = await parked();
    const { entry } = await scene.entry();
    expect(await codeOf(scene.aside.replace(entry, { text: "b9" }, because))).toBe("KEY_INVALID");
    expect(await codeOf(scene.aside.replace(entry, { text: 7 } as never, because))).toBe("SCHEMA_FAILED");
    expect(scene.orders("message.replaced")).toEqual([]);
    expect(await scene.entry()).toMatchObject({ entry, behind: 2, message: { body: { text: "a1" } } });
    expect(await scene.account()).toMatchObject({ settled: 2, deadLettered: [0], parked: [2, 3] });
  });
  it("redriven runs all of it in order, and what comes meanwhile after it", async () => {
    await using scene = await parked();
    scene.broken.clear();
    const open = scene.gate("a1");
    expect(await scene.aside.redrive("a", because)).toEqual({ redriven: 3 });
    await scene.send("a4", "b3");
    open();
    await expect.poll(() => scene.handled.length).toBe(7);
    expect(scene.handled.filter((text) => text.startsWith("a"))).toEqual(["a1", "a2", "a3", "a4"]);
    await scene.settles(7);
    expect(await scene.account()).toMatchObject({ deadLettered: [], parked: [], discarded: [], backlog: 0 });
    const told = { type: "key.redriven", topic: "lines", queue: 0, group: "g", key: "a", ...because };
    expect(scene.orders("key.redriven")).toEqual([
      { ...told, by: "ops" },
      { ...told, by: scene.system.name },
    ]);
  });
  it("discarded gives all of it up, and the key is open for what comes after", async () => {
    await using scene = await parked();
    expect(await scene.aside.discard("a", because)).toEqual({ discarded: 3 });
    await scene.send("a4");
    await scene.handles("b1", "b2", "a4");
    await scene.settles(3);
    expect(await scene.account()).toMatchObject({ discarded: [0, 2, 3], deadLettered: [], parked: [], backlog: 0 });
    const told = { type: "key.discarded", topic: "lines", queue: 0, group: "g", key: "a", ...because };
    expect(scene.orders("key.discarded")).toEqual([
      { ...told, by: "ops" },
      { ...told, by: scene.system.name },
    ]);
  });
  it("takes one of two orders that come together", async () => {
    await using scene = await parked();
    const { entry } = await scene.entry();
    const both = [scene.aside.skip(entry, because), scene.aside.skip(entry, because)].map(codeOf);
    expect(await Promise.all(both)).toEqual(["no error", "ENTRY_UNKNOWN"]);
    await scene.handles("b1", "b2", "a2", "a3");
    expect(await scene.account()).toMatchObject({ discarded: [0] });
  });
  it("in a handler's hands is neither skipped, replaced nor run twice", async () => {
    await using scene = await parked();
    const { entry } = await scene.entry();
    scene.broken.clear();
    const open = scene.gate("a1");
    await scene.aside.retry(entry, because);
    await expect.poll(() => scene.system.actors.list("worker").some(({ state }) => state === "handling")).toBe(true);
    expect(await codeOf(scene.aside.skip(entry, because))).toBe("ENTRY_UNKNOWN");
    expect(await codeOf(scene.aside.replace(entry, { text: "a1" }, because))).toBe("ENTRY_UNKNOWN");
    await scene.aside.retry(entry, because);
    await scene.aside.redrive("a", because);
    open();
    await scene.handles("b1", "b2", "a1", "a2", "a3");
    await scene.settles(5);
  });
});

describe("a replacement", () => {
  const notes = topic("notes", { schema: typed<{ text: string }>(), key: "send", queues: 1 });
  it("keeps the message's key, id, headers and time, also where the body does not tell the key", async () => {
    await using system = await createSystem({ modules: [memoryTransport()], topics: [notes], messageBytesMax: 2_000 });
    const seen: unknown[] = [];
    const consumer = system.consumer(notes, { group: "g", retry: { attempts: 1 } });
    void consumer.run(({ key, id, headers, appendedAtMs, body }, { redriven }) => {
      if (body.text === "broken") throw new Error("broken");
      seen.push({ key, id, headers, appendedAtMs, body, redriven });
    });
    await system.producer(notes).send({ text: "broken" }, { key: "k", id: "n-1", headers: { from: "ada" } });
    await consumer.caughtUp();
    const aside = () => system.admin.setAside(notes, { group: "g" }); // each without memory of what others have listed
    const [entry, appendedAtMs] = await (async () => {
      for await (const { entry, message } of aside().list()) return [entry, message.appendedAtMs] as const;
      throw new Error("nothing is set aside");
    })();
    const tooLarge = aside().replace(entry, { text: "x".repeat(2_000) }, because);
    expect(await codeOf(tooLarge)).toBe("MESSAGE_TOO_LARGE");
    await aside().replace(entry, { text: "mended" }, because);
    await expect
      .poll(() => seen)
      .toEqual([
        { key: "k", id: "n-1", headers: { from: "ada" }, appendedAtMs, body: { text: "mended" }, redriven: true },
      ]);
  });
});

describe("a list", () => {
  it("goes by pages over all queues, halted ones included", async () => {
    const many = topic("many", { schema: typed<{ id: string }>(), key: ({ id }) => id, queues: 8 });
    await using system = await createSystem({ modules: [memoryTransport()], topics: [many] });
    const consumer = system.consumer(many, { group: "g", exhausted: "halt", retry: { attempts: 1 } });
    void consumer.run(() => {
      throw new Error("no");
    });
    const producer = system.producer(many);
    await Promise.all(Array.from({ length: 64 }, (_, at) => producer.send({ id: `k${at}` })));
    const aside = system.admin.setAside(many, { group: "g" });
    const listed = async (options: { readonly limit?: number; readonly after?: string }) => {
      const entries = [];
      for await (const { entry } of aside.list(options)) entries.push(entry);
      return entries;
    };
    const all = await until(
      () => listed({}),
      (entries) => entries.length === 8,
    );
    const byPages: string[] = [];
    for (let after: string | undefined; ; after = byPages.at(-1)) {
      const page = await listed({ limit: 3, ...(after === undefined ? {} : { after }) });
      byPages.push(...page);
      if (page.length < 3) break;
    }
    expect(byPages).toEqual(all);
  });
});

describe("a dead letter", () => {
  it.for([
    ["retry", ["a2", "a1"], { settled: 2, deadLettered: [], discarded: [] }],
    ["skip", ["a2"], { settled: 1, deadLettered: [], discarded: [0] }],
    ["replace", ["a2", "a1 mended"], { settled: 2, deadLettered: [], discarded: [] }],
  ] as const)("takes a %s; its key had gone on", async ([order, handled, account]) => {
    await using scene = await LinesScene.open();
    scene.broken.add("a1");
    await scene.consume("dead-letter");
    await scene.send("a1", "a2");
    await scene.handles("a2");
    const { entry, kind, behind } = await scene.entry();
    expect({ kind, behind }).toEqual({ kind: "dead-letter", behind: 0 });
    if (order === "retry") {
      scene.broken.clear();
      await scene.aside.retry(entry, because);
    } else if (order === "skip") await scene.aside.skip(entry, because);
    else await scene.aside.replace(entry, { text: "a1", body: "a1 mended" }, because);
    await scene.handles(...handled);
    await scene.settles(account.settled);
    expect(await scene.account()).toMatchObject(account);
    expect(await scene.listed()).toEqual([]);
    expect(await codeOf(scene.aside.retry(entry, because))).toBe("ENTRY_UNKNOWN");
    expect(await codeOf(scene.aside.redrive("a", because))).toBe("ENTRY_UNKNOWN"); // no key is parked
  });
});

describe("a halted queue", () => {
  it("stands still, and is listed by the message it stands at", async () => {
    await using scene = await halted();
    expect(await scene.entry()).toMatchObject({
      kind: "halted",
      key: "a",
      behind: 0,
      attempts: 1,
      error: { message: "a1 is broken" },
      message: { offset: 0, body: { text: "a1" } },
    });
    expect(await scene.account()).toMatchObject({ settled: 0, backlog: 3, halted: true });
    expect(scene.handled).toEqual([]);
  });
  it.for([
    ["retry", ["a1", "b1", "a2"], { settled: 3, discarded: [] }],
    ["skip", ["b1", "a2"], { settled: 2, discarded: [0] }],
  ] as const)("goes on in order after a %s", async ([order, handled, account]) => {
    await using scene = await halted();
    const { entry } = await scene.entry();
    if (order === "retry") scene.broken.clear();
    await scene.aside[order](entry, because);
    await scene.handles(...handled);
    await scene.settles(account.settled);
    expect(await scene.account()).toMatchObject({ ...account, backlog: 0, halted: false });
    const type = order === "retry" ? "message.retried" : "message.skipped";
    const told = { type, topic: "lines", queue: 0, group: "g", offset: 0, key: "a", ...because };
    expect(scene.orders(type)).toEqual([
      { ...told, by: "ops" },
      { ...told, by: scene.system.name },
    ]);
    expect(await codeOf(scene.aside[order](entry, because))).toBe("ENTRY_UNKNOWN");
  });
  it("retried while its message still fails halts again, at the same entry", async () => {
    await using scene = await halted();
    const { entry } = await scene.entry();
    await scene.aside.retry(entry, because);
    await expect.poll(() => scene.told.broker.filter(({ type }) => type === "queue.halted").length).toBe(2);
    expect((await scene.entry()).entry).toBe(entry);
    expect(await scene.account()).toMatchObject({ settled: 0, backlog: 3, halted: true });
  });
  it("goes on with another body in the message's place, its key in order", async () => {
    await using scene = await halted();
    const { entry } = await scene.entry();
    expect(await codeOf(scene.aside.replace(entry, { text: "b1" }, because))).toBe("KEY_INVALID");
    expect((await scene.account()).halted).toBe(true);
    await scene.aside.replace(entry, { text: "a1", body: "a1 mended" }, because);
    await expect.poll(() => scene.handled.length).toBe(3);
    expect(scene.handled.filter((text) => text.startsWith("a"))).toEqual(["a1 mended", "a2"]);
    await scene.settles(3);
    expect(await scene.account()).toMatchObject({ deadLettered: [], parked: [], backlog: 0, halted: false });
    expect(scene.orders("message.replaced")).toMatchObject([{ by: "ops", offset: 0, ...because }, { offset: 0 }]);
  });
});

describe("an order", () => {
  it("about what is not set aside is refused, and changes and tells nothing", async () => {
    await using scene = await parked();
    const before = await scene.account();
    for (const entry of ["0:9:0", "9:1:0", "0:1:2", "0:0:0", "no entry", ""]) {
      expect(await codeOf(scene.aside.retry(entry, because))).toBe("ENTRY_UNKNOWN");
      expect(await codeOf(scene.aside.skip(entry, because))).toBe("ENTRY_UNKNOWN");
      expect(await codeOf(scene.aside.replace(entry, { text: "a1" }, because))).toBe("ENTRY_UNKNOWN");
    }
    for (const key of ["b", "never seen", ""]) {
      expect(await codeOf(scene.aside.redrive(key, because))).toBe("ENTRY_UNKNOWN");
      expect(await codeOf(scene.aside.discard(key, because))).toBe("ENTRY_UNKNOWN");
      expect(await codeOf(scene.aside.peek(key))).toBe("ENTRY_UNKNOWN");
    }
    expect(await scene.account()).toEqual(before);
    const types = ["message.retried", "message.skipped", "message.replaced", "key.redriven", "key.discarded"] as const;
    expect(types.flatMap((type) => scene.orders(type))).toEqual([]);
  });
  it("needs a reason, and a group that somebody has joined", async () => {
    await using scene = await parked();
    const { entry } = await scene.entry();
    expect(await codeOf(scene.aside.retry(entry, { reason: " " }))).toBe("OPTION_INVALID");
    const nobodys = scene.system.admin.setAside(lines, { group: "nobody" });
    expect(await codeOf(nobodys.retry(entry, because))).toBe("OPTION_INVALID");
    expect(await scene.account()).toMatchObject({ deadLettered: [0] });
  });
  it("is refused to a principal without the right to manage; looking needs one to observe, and one to read shows bodies", async () => {
    const may = new Set<Right["verb"]>(["produce", "consume"]);
    await using scene = await LinesScene.open((_, { verb }) => may.has(verb));
    scene.broken.add("a1");
    const consumer = await scene.consume();
    await scene.send("a1", "b1");
    await scene.handles("b1");
    await consumer.caughtUp();
    const { aside } = scene;
    const asked = [
      aside.retry("0:1:0", because),
      aside.skip("0:1:0", because),
      aside.replace("0:1:0", { text: "a1" }, because),
      aside.redrive("a", because),
      aside.discard("a", because),
      scene.system.admin.declare(lines),
    ];
    const looks = () => [aside.peek("a"), scene.listed(), scene.account(), scene.system.explain(lines, "a")];
    expect(new Set(await Promise.all([...asked, ...looks()].map(codeOf)))).toEqual(new Set(["FORBIDDEN"]));
    may.add("observe");
    expect(await scene.account()).toMatchObject({ settled: 1, deadLettered: [0] });
    expect((await scene.system.explain(lines, "a")).groups[0]?.state).toBe("parked");
    const withheld = { key: "a", headers: {}, withheld: true, body: undefined };
    expect(await aside.peek("a")).toMatchObject([withheld]);
    expect(await scene.listed()).toMatchObject([{ kind: "parked", key: "a", message: withheld }]);
    may.add("read");
    expect(await aside.peek("a")).toMatchObject([{ withheld: false, body: { text: "a1" } }]);
    expect(await codeOf(aside.redrive("a", because))).toBe("FORBIDDEN");
  });
});
