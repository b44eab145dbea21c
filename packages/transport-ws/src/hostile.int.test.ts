// Hostile clients against a broker in a process of its own, beside a well-behaved client in another. The table of attacks and codes is docs/security.md.
import { binaryCodec } from "@seriatim/actors";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { Attacker, joinFrame, NOTHING_SETTLED, Other, packedMessage, validFor } from "./hostile.fixture.ts";
import { clientFrame, Raw, sleep, until, upgradeRequest } from "./ws.fixture.ts";

/** Generous: what counts is that nobody waits for an attacker, on a machine that does other things as well. */
const P99_MS_MAX = 1_500;
/** A queue keeps its newest 2 MiB at hand by design, the good client goes on all the while, and code gets compiled. */
const HEAP_SLACK_BYTES = 8 * 1024 * 1024;

let broker: Other;
let good: Other;
let url = "";
let port = 0;
let quiet: Readonly<Record<string, unknown>> = {};
let heapBefore = 0;

const memory = async (): Promise<{ heap: number; sessions: number }> => {
  const told = await broker.ask("memory");
  return { heap: Number(told["heapUsed"]) + Number(told["external"]), sessions: Number(told["sessions"]) };
};
const laneOpen = {
  type: "lane.open",
  lane: 1,
  topic: "evil",
  queue: 0,
  producer: "mallory",
  epoch: null,
  routeVersion: 1,
};
async function openLane(attacker: Attacker, producer = "mallory"): Promise<{ epoch: number; expected: number }> {
  const request = attacker.next();
  attacker.say({ ...laneOpen, producer, request });
  return (await attacker.answer({ request })) as never;
}
const append = (epoch: number, sequence: number, more: object = {}) => ({
  type: "batch.append",
  lane: 1,
  epoch,
  sequence,
  count: 1,
  durability: "memory",
  messages: packedMessage(),
  ...more,
});
/** Joins a topic of one queue and takes its lease. */
async function holder(topic: string, name: string, group = name): Promise<{ attacker: Attacker; epoch: number }> {
  const attacker = await Attacker.welcome(url, {}, { token: validFor(name) });
  expect(await attacker.request({ ...joinFrame(topic, name), group })).toBe("member.joined");
  await attacker.answer({ type: "lease.offered", from: 0 });
  const request = attacker.next();
  attacker.say({ type: "lease.acquire", member: 1, queue: 0, resume: null, request });
  const { epoch } = (await attacker.answer({ request })) as unknown as { epoch: number };
  return { attacker, epoch };
}
const afterHello = async (act: (attacker: Attacker) => void, ms?: number) => {
  const attacker = await Attacker.welcome(url);
  act(attacker);
  return { code: await attacker.ended(ms), goodbye: attacker.goodbye };
};
const refusal = async (headers: Record<string, string>): Promise<{ status: number; code: string | undefined }> => {
  const raw = new Raw(port);
  raw.socket.write(upgradeRequest({ authorization: `Bearer ${validFor("mallory")}`, ...headers }));
  await raw.ended;
  return { status: raw.status, code: raw.header("seriatim-error") };
};
const VIOLATION = { code: 4400, goodbye: "PROTOCOL_VIOLATION" };

beforeAll(async () => {
  const [first, { url: address }] = await Other.start("broker");
  broker = first;
  url = String(address);
  port = Number(new URL(url).port);
  [good] = await Other.start("good", url);
  await sleep(1_000); // code gets compiled
  await good.ask("mark");
  await sleep(1_500);
  quiet = await good.ask("mark");
  heapBefore = (await memory()).heap;
});
afterAll(() => {
  broker?.kill();
  good?.kill();
});

/** The good client's latencies during each test. */
const during: { readonly attack: string; readonly p99: number; readonly max: number }[] = [];
afterEach(async ({ task }) => {
  if (task.name.startsWith("the broker is up")) return;
  const { messages, p99, max } = await good.ask("mark");
  if (Number(messages) > 0) during.push({ attack: task.name.slice(0, 40), p99: Number(p99), max: Number(max) });
});

describe("bytes that are no frames", () => {
  it("as the first packet end the link with 4400", async () => {
    for (const packet of ["garbage", "", "\u0053\u00ff", "[", "[{}]", '["hello"]']) {
      const attacker = await Attacker.open(url);
      attacker.json(packet);
      expect([packet, await attacker.ended()]).toEqual([packet, 4400]);
    }
  });
  it("after the hello are answered with a goodbye as well, wherever a packet is cut", async () => {
    const packet = binaryCodec.encode([append(1, 0) as never]);
    for (const length of [2, 5, 9, packet.length - 1])
      expect(await afterHello(({ socket }) => socket.send(packet.subarray(0, length)))).toEqual(VIOLATION);
  });
  it("as text end the link with 4400", async () => {
    expect((await afterHello(({ socket }) => socket.send("hello"))).code).toBe(4400);
  });
  it.each([
    ["an unmasked frame", clientFrame(0x82, Buffer.from("x"), { masked: false }), 1002],
    ["a reserved bit", clientFrame(0xf2, Buffer.from("x")), 1002],
    ["an unknown opcode", clientFrame(0x83, Buffer.from("x")), 1002],
    ["a continuation of nothing", clientFrame(0x80, Buffer.from("x")), 1002],
    ["a ping of 126 bytes", clientFrame(0x89, Buffer.alloc(126)), 1002],
    ["text that is not UTF-8", clientFrame(0x81, Buffer.from([0xff])), 1007],
    ["a compressed frame", clientFrame(0xc2, Buffer.from("x")), 1002],
    ["a length of 4 GiB", clientFrame(0x82, Buffer.alloc(0), { length: 2 ** 32 - 1 }), 1009],
  ])("%s is closed by the WebSocket layer", async (_what, bytes, code) => {
    const raw = new Raw(port);
    raw.socket.write(upgradeRequest({ authorization: `Bearer ${validFor("mallory")}` }));
    await until(() => raw.text.includes("\r\n\r\n"), "the upgrade");
    raw.socket.write(bytes);
    await raw.ended;
    const after = Buffer.from(raw.text.slice(raw.text.indexOf("\r\n\r\n") + 4), "latin1");
    expect([after[0], after.readUInt16BE(2)]).toEqual([0x88, code]);
  });
  it("one message in thousands of fragments ends the link with 1008", async () => {
    const found = await afterHello(({ socket }) => {
      for (let n = 0; n < 3_000; n++) socket.send("x", { binary: true, fin: false });
    });
    expect(found.code).toBe(1008);
  });
  it("a frame over the limit ends the link with 1009", async () => {
    expect((await afterHello(({ socket }) => socket.send(Buffer.alloc(1024 * 1024 + 1)))).code).toBe(1009);
    expect((await afterHello(({ socket }) => socket.send(Buffer.alloc(4 * 1024 * 1024)))).code).toBe(1009);
  });
});

describe("JSON", () => {
  const jsonAppend = (body: string) =>
    `[{"type":"batch.append","lane":1,"epoch":1,"sequence":0,"count":1,"durability":"memory","messages":[{"encoding":"json","body":${body}}]}]`;
  it.each([
    ["half a million levels", "[".repeat(500_000)],
    ["as many, closed", "[".repeat(500_000) + "]".repeat(500_000)],
    ["a body of 1,000 levels", jsonAppend("[".repeat(1_000) + "]".repeat(1_000))],
    ["a third of a million empty objects", `[${"{},".repeat(340_000)}{}]`],
    ["a third of a million empty arrays in a body", jsonAppend(`[${"[],".repeat(340_000)}[]]`)],
    ["__proto__ in a frame", '[{"type":"lane.close","lane":1,"__proto__":{"polluted":true}}]'],
    ["__proto__ in a body", jsonAppend('{"__proto__":{"polluted":true}}')],
    ["an escaped __proto__", jsonAppend('{"\\u005f_proto__":{"polluted":true}}')],
    ["constructor.prototype", jsonAppend('{"constructor":{"prototype":{"polluted":true}}}')],
    ["a number that is none", '[{"type":"lane.close","lane":1e999}]'],
    ["an unknown frame", '[{"type":"toString"}]'],
    ["a field too many", '[{"type":"lane.close","lane":1,"more":1}]'],
    ["a frame only the broker sends", '[{"type":"lane.kept","lane":1,"epoch":1,"kept":1}]'],
  ])("with %s is PROTOCOL_VIOLATION, 4400", async (_what, text) => {
    expect(await afterHello((attacker) => attacker.json(text))).toEqual(VIOLATION);
  });
});

describe("the handshake", () => {
  it("in an unknown version is VERSION_UNSUPPORTED: in the hello 4400 after a goodbye, in the subprotocol 426 or 4426", async () => {
    const attacker = await Attacker.welcome(url, { versions: [99, 2] });
    expect([await attacker.ended(), attacker.goodbye]).toEqual([4400, "VERSION_UNSUPPORTED"]);
    expect(await refusal({ "sec-websocket-protocol": "seriatim.v2" })).toEqual({
      status: 426,
      code: "VERSION_UNSUPPORTED",
    });
    const page = new Attacker(url, { protocols: ["seriatim.v2", "seriatim.refusal"] });
    expect(await page.ended()).toBe(4426);
  });
  it("a second hello, an older link, and another's instance are PROTOCOL_VIOLATION, 4400", async () => {
    expect(await afterHello((attacker) => attacker.hello())).toEqual(VIOLATION);
    const instance = `victim${Math.random()}`;
    const victim = await Attacker.welcome(url, { instance, link: 5 }, { token: validFor("victim") });
    for (const [link, token] of [
      [4, "victim"],
      [5, "victim"],
      [6, "mallory"],
    ] as const) {
      const attacker = await Attacker.welcome(url, { instance, link }, { token: validFor(token) });
      expect([await attacker.ended(), attacker.goodbye]).toEqual([4400, "PROTOCOL_VIOLATION"]);
    }
    expect(victim.closeCode).toBeNull();
    // nor while the victim is away, which would lock it out
    victim.socket.terminate();
    await victim.ended();
    await sleep(50);
    const thief = await Attacker.welcome(url, { instance, link: 1e9 }, { token: validFor("mallory") });
    expect([await thief.ended(), thief.goodbye]).toEqual([4400, "PROTOCOL_VIOLATION"]);
    const back = await Attacker.welcome(url, { instance, link: 6 }, { token: validFor("victim") });
    expect(back.has("welcome")).toBe(true);
    back.socket.terminate();
  });
  it("with an expired, a missing or a used token is UNAUTHENTICATED, 401 or 4401; with one nobody can check UNAVAILABLE, 503", async () => {
    const UNAUTHENTICATED = { status: 401, code: "UNAUTHENTICATED" };
    expect(await refusal({ authorization: `Bearer ${validFor("mallory", -1)}` })).toEqual(UNAUTHENTICATED);
    expect(await refusal({ authorization: "" })).toEqual(UNAUTHENTICATED);
    const first = await Attacker.open(url, { token: "ticket:1" });
    first.socket.terminate();
    expect(await refusal({ authorization: "Bearer ticket:1" })).toEqual(UNAUTHENTICATED);
    const page = new Attacker(url, { token: "ticket:1", protocols: ["seriatim.v1", "seriatim.refusal"] });
    expect(await page.ended()).toBe(4401);
    expect(await refusal({ authorization: "Bearer stuck" })).toEqual({ status: 503, code: "UNAVAILABLE" });
  });
  it("from a page that is not listed is FORBIDDEN, 403 or 4403", async () => {
    for (const origin of ["https://evil.example", "https://shop.example.evil.example", "null"])
      expect(await refusal({ origin })).toEqual({ status: 403, code: "FORBIDDEN" });
    const page = new Attacker(url, { origin: "https://evil.example", protocols: ["seriatim.v1", "seriatim.refusal"] });
    expect(await page.ended()).toBe(4403);
  });
  it("that never ends is cut after its time, whether nothing comes or one byte after the other", async () => {
    const startedAt = performance.now();
    const sockets = Array.from({ length: 50 }, () => new Raw(port));
    const request = upgradeRequest();
    let at = 0;
    const drip = setInterval(() => {
      for (const { socket } of sockets.slice(25)) if (!socket.destroyed) socket.write(request[at] ?? "x");
      at++;
    }, 20);
    await Promise.allSettled(sockets.map((raw) => raw.ended)); // a reset is an end, too
    clearInterval(drip);
    expect(performance.now() - startedAt).toBeLessThan(4_000);
    expect(sockets.map(({ text }) => text).join("")).not.toContain("101 Switching");
  });
});

describe("frames out of place", () => {
  it("sequence numbers from the future are OUT_OF_SEQUENCE with what is expected, and the link stays", async () => {
    const attacker = await Attacker.welcome(url);
    const { epoch, expected } = await openLane(attacker, "futurist");
    for (const sequence of [expected + 1, 2 ** 40, Number.MAX_SAFE_INTEGER - 1]) {
      const from = attacker.frames.length;
      attacker.say(append(epoch, sequence));
      const answer = await attacker.answer({ type: "batch.refused", from });
      expect([answer.error.code, answer["expected"]]).toEqual(["OUT_OF_SEQUENCE", expected]);
    }
    const from = attacker.frames.length;
    attacker.say(append(epoch + 1_000, expected));
    const fenced = (await attacker.answer({ type: "batch.refused", from })).error.code;
    expect(fenced).toBe("PRODUCER_FENCED");
    attacker.say(append(epoch, expected));
    expect(await attacker.answer({ type: "batch.appended", from })).toMatchObject({ sequence: expected });
    attacker.socket.terminate();
  });
  it("batches that lie about their messages are PROTOCOL_VIOLATION", async () => {
    for (const more of [
      { count: 5 },
      { count: 2 ** 40 },
      { messages: new Uint8Array(3) },
      { messages: new Uint8Array(0) },
    ]) {
      const attacker = await Attacker.welcome(url);
      const { epoch, expected } = await openLane(attacker, "liar");
      const from = attacker.frames.length;
      attacker.say(append(epoch, expected, more));
      await until(() => attacker.closeCode !== null || attacker.frames.length > from, "an answer");
      const answer = attacker.frames[from] as unknown as { type: string; error: { code: string } };
      expect([more, answer.error.code]).toEqual([more, "PROTOCOL_VIOLATION"]);
      attacker.socket.terminate();
    }
  });
  it("on lanes and queues that are not there end the link; about unknown members they are refused or change nothing", async () => {
    expect(await afterHello((attacker) => attacker.say(append(1, 0)))).toEqual(VIOLATION);
    const attacker = await Attacker.welcome(url);
    const ofMember = { member: 7, queue: 0, epoch: 1 };
    attacker.say(
      { type: "settle", ...ofMember, settle: 0, settlement: { ...NOTHING_SETTLED, ranges: [[0, 10]] } },
      { type: "credit", ...ofMember, messages: 2 ** 53 - 1, bytes: 2 ** 53 - 1 },
      { type: "lane.close", lane: 99 },
      { type: "member.leave", member: 7 },
    );
    for (const frame of [
      { type: "lease.acquire", member: 7, queue: 0, resume: null },
      { type: "lease.raise", ...ofMember },
      { type: "lease.release", ...ofMember, settle: NOTHING_SETTLED },
    ])
      expect([frame.type, await attacker.request(frame)]).toEqual([frame.type, "UNAVAILABLE"]);
    expect(await attacker.request({ ...laneOpen, queue: 77 })).toBe("WRONG_ROUTE");
    expect(await attacker.request({ type: "topic.find", topic: "nowhere" })).toBe("TOPIC_UNKNOWN");
    expect(await attacker.request(joinFrame("evil", "lost"))).toBe("member.joined");
    attacker.say({ type: "lease.acquire", member: 1, queue: 77, resume: null, request: attacker.next() });
    expect([await attacker.ended(), attacker.goodbye]).toEqual([4400, "PROTOCOL_VIOLATION"]);
  });
  it("on what the principal has no right to are FORBIDDEN", async () => {
    const attacker = await Attacker.welcome(url);
    expect(await attacker.request({ ...laneOpen, topic: "board" })).toBe("FORBIDDEN");
    expect(await attacker.request(joinFrame("board", "mallory"))).toBe("FORBIDDEN");
    const discard = { kind: "aside.list", topic: "board", group: "g", after: null, limit: 10 };
    expect(await attacker.request({ type: "ask", question: discard })).toBe("FORBIDDEN");
    attacker.socket.terminate();
  });
});

describe("leases", () => {
  it("settles of what was never delivered are refused with PROTOCOL_VIOLATION and settle nothing", async () => {
    const { attacker, epoch } = await holder("evil", "settler");
    for (const ranges of [[[0, 1_000_000]], [[5, 5]], [[9, 3]], [[2 ** 52, 2 ** 53 - 1]]]) {
      const from = attacker.frames.length;
      attacker.say({
        type: "settle",
        member: 1,
        queue: 0,
        epoch,
        settle: 0,
        settlement: { ...NOTHING_SETTLED, ranges },
      });
      await until(() => attacker.closeCode !== null || attacker.frames.length > from, "an answer");
      const answer = attacker.frames[from] as unknown as { type: string; error: { code: string } };
      expect([ranges, answer.error.code]).toEqual([ranges, "PROTOCOL_VIOLATION"]);
      if (attacker.closeCode !== null || answer.type === "goodbye") return;
    }
    const released = { type: "lease.release", member: 1, queue: 0, epoch };
    expect(await attacker.request({ ...released, settle: { ...NOTHING_SETTLED, ranges: [[0, 1_000_000]] } })).toBe(
      "lease.released",
    );
    attacker.socket.terminate();
    const fresh = await holder("evil", "settler2", "settler");
    fresh.attacker.say({ type: "credit", member: 1, queue: 0, epoch: fresh.epoch, messages: 10, bytes: 1e6 });
    const delivered = await fresh.attacker.answer({ type: "deliver", from: 0 });
    expect((delivered as unknown as { batches: { offset: number }[] }).batches[0]?.offset).toBe(0);
    expect(await fresh.attacker.request({ ...released, epoch: fresh.epoch, settle: NOTHING_SETTLED })).toBe(
      "lease.released",
    );
    fresh.attacker.socket.terminate();
  });
  it("of another session are STALE_EPOCH or LEASE_HELD, whatever is asked with its epoch", async () => {
    const { attacker: victim, epoch } = await holder("steal", "victim");
    const attacker = await Attacker.welcome(url);
    expect(await attacker.request({ ...joinFrame("steal", "victim"), group: "victim" })).toBe("NAME_IN_USE");
    expect(await attacker.request({ ...joinFrame("steal", "mallory"), group: "victim" })).toBe("member.joined");
    const at = { member: 1, queue: 0, epoch };
    const resume = { epoch, settle: NOTHING_SETTLED, inHand: [], redrivenInHand: [] };
    const put = {
      kind: "park",
      offset: 0,
      key: null,
      redriven: null,
      attempts: 3,
      error: { name: "E", message: "", code: null },
    };
    for (const [frame, code] of [
      [{ type: "lease.acquire", member: 1, queue: 0, resume: null }, "LEASE_HELD"],
      [{ type: "lease.acquire", member: 1, queue: 0, resume }, "STALE_EPOCH"],
      [{ type: "lease.raise", ...at }, "STALE_EPOCH"],
      [{ type: "lease.release", ...at, settle: { ...NOTHING_SETTLED, ranges: [[0, 1]] } }, "STALE_EPOCH"],
      [{ type: "aside.put", ...at, ...put }, "STALE_EPOCH"],
      [{ type: "lease.raise", ...at, epoch: epoch + 1 }, "STALE_EPOCH"],
    ] as const)
      expect([frame.type, await attacker.request(frame)]).toEqual([frame.type, code]);
    const from = attacker.frames.length;
    attacker.say(
      { type: "credit", ...at, messages: 1_000, bytes: 1e6 },
      { type: "settle", ...at, settle: 0, settlement: { ...NOTHING_SETTLED, ranges: [[0, 1]] } },
      { type: "heartbeat", beat: 1, grantsSeen: 1e6, leases: [at] },
    );
    expect((await attacker.answer({ type: "settle.refused", from })).error.code).toBe("STALE_EPOCH");
    expect(await attacker.answer({ type: "heartbeat.answered", from })).toMatchObject({ renewed: [] });
    expect(attacker.has("deliver")).toBe(false);
    attacker.socket.terminate();
    victim.say({ type: "heartbeat", beat: 1, grantsSeen: 1, leases: [at] });
    const answer = await victim.answer({ type: "heartbeat.answered", from: 0 });
    expect((answer as unknown as { renewed: { epoch: number }[] }).renewed[0]?.epoch).toBe(epoch);
    victim.socket.terminate();
  });
});

describe("too much", () => {
  const silent: Attacker[] = [];
  const greeted: Attacker[] = [];
  beforeAll(async () => {
    silent.push(...(await Promise.all(Array.from({ length: 100 }, () => Attacker.open(url)))));
    greeted.push(...(await Promise.all(Array.from({ length: 200 }, () => Attacker.welcome(url)))));
  });
  it("never read while producing: 1013 after the grace period", async () => {
    const attacker = await Attacker.welcome(url);
    const { epoch } = await openLane(attacker, "deaf");
    attacker.socket.pause();
    const refused = binaryCodec.encode(Array.from({ length: 500 }, () => append(epoch, 2 ** 40) as never));
    for (let n = 0; n < 300 && attacker.socket.readyState === 1; n++) {
      attacker.socket.send(refused);
      if (n % 20 === 0) await sleep(5);
    }
    await sleep(1_000);
    attacker.socket.resume();
    expect([1013, 1006]).toContain(await attacker.ended());
  });
  it("never read while consuming: deliveries stop, 1013 after the grace period", async () => {
    const writer = await Attacker.welcome(url);
    const { epoch, expected } = await openLane(writer, "writer");
    const from = writer.frames.length;
    for (let n = 0; n < 150; n++) writer.say(append(epoch, expected + n, { messages: packedMessage(60_000) }));
    await until(
      () => writer.frames.slice(from).filter(({ type }) => type === "batch.appended").length === 150,
      "receipts",
    );
    writer.socket.terminate();
    const { attacker, epoch: lease } = await holder("evil", "deaf");
    attacker.say({ type: "credit", member: 1, queue: 0, epoch: lease, messages: 1e9, bytes: 1e12 });
    attacker.socket.pause();
    await sleep(1_500);
    attacker.socket.resume();
    expect([1013, 1006]).toContain(await attacker.ended());
  });
  it("pings without end, unread: the connection is cut", async () => {
    const attacker = await Attacker.welcome(url);
    attacker.socket.pause();
    const pings = Buffer.concat(Array.from({ length: 2_000 }, () => clientFrame(0x89, Buffer.alloc(125))));
    const raw = (attacker.socket as unknown as { _socket: { write(bytes: Buffer): boolean } })._socket;
    for (let n = 0; n < 60; n++) {
      raw.write(pings);
      await sleep(2);
    }
    attacker.socket.resume();
    expect(await attacker.ended()).toBe(1006);
  });
  it("questions that wait, without end: LIMIT_EXCEEDED, and the link stays", async () => {
    const attacker = await Attacker.welcome(url);
    expect(await attacker.request(joinFrame("evil", "curious"))).toBe("member.joined");
    const question = { kind: "reached", topic: "evil", group: "g", ends: [{ queue: 0, end: 2 ** 50 }] };
    attacker.say(...Array.from({ length: 2_000 }, () => ({ type: "ask", request: attacker.next(), question })));
    const { error } = await attacker.answer({ type: "refused", from: 0 });
    expect(error.code).toBe("LIMIT_EXCEEDED");
    await sleep(100);
    expect(attacker.frames.filter(({ type }) => type === "refused").length).toBe(1_000);
    expect(attacker.closeCode).toBeNull();
    attacker.socket.terminate();
  });
  it("300 connections that say nothing: 4400 without a hello after 5 s, cut without a heartbeat after four", async () => {
    expect(await Promise.all(silent.map((attacker) => attacker.ended(15_000)))).toEqual(silent.map(() => 4400));
    expect(await Promise.all(greeted.map((attacker) => attacker.ended(15_000)))).toEqual(greeted.map(() => 1006));
  });
});

describe("after all that", () => {
  it("the broker is up, has its memory back, and the good client missed nothing", async () => {
    const worst = during.sort((a, b) => b.p99 - a.p99)[0];
    expect(broker.isUp).toBe(true);
    let left = await memory();
    for (let n = 0; n < 20 && (left.sessions > 1 || left.heap > heapBefore * 1.1); n++) {
      await sleep(250);
      left = await memory();
    }
    const finish = await good.ask("finish");
    process.stdout.write(
      `hostile: quiet ${JSON.stringify(quiet)} worst ${JSON.stringify(during.slice(0, 6))} heap ${heapBefore} -> ${left.heap} ${JSON.stringify(finish)}\n`,
    );
    expect(finish).toMatchObject({ failed: 0, outOfOrder: 0 });
    expect(finish["received"]).toBe(Number(finish["sent"]) + 1);
    expect(worst?.p99).toBeLessThan(P99_MS_MAX);
    expect(left.sessions).toBe(1);
    expect(left.heap).toBeLessThan(heapBefore * 1.1 + HEAP_SLACK_BYTES);
    expect(broker.stderr).toBe("");
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
  });
});
