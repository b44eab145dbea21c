import { once } from "node:events";
import { networkInterfaces } from "node:os";
import type { IncomingLink, Principal } from "@seriatim/actors/client";
import { describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { wsClientTransport } from "./client.ts";
import {
  Bench,
  clientFrame,
  dialOptions,
  errorOf,
  HandClock,
  type Raw,
  sleep,
  Tunnel,
  until,
  upgradeRequest,
} from "./ws.fixture.ts";

const BINARY = 0x82;
const TEXT = 0x81;

describe("frames that must not be", () => {
  it.each([
    ["too large", clientFrame(BINARY, new Uint8Array(2_000)), "tooLarge", 1009],
    ["announced as far too large", clientFrame(BINARY, new Uint8Array(0), { length: 2 ** 32 - 1 }), "tooLarge", 1009],
    ["text", clientFrame(TEXT, Buffer.from("hello")), "violation", 4400],
    ["of an unknown opcode", clientFrame(0x83, new Uint8Array(1)), "violation", 1002],
    ["compressed although nobody agreed to it", clientFrame(0xc2, new Uint8Array(1)), "violation", 1002],
    ["not masked", clientFrame(BINARY, new Uint8Array(1), { masked: false }), "violation", 1002],
    ["a continuation of nothing", clientFrame(0x80, new Uint8Array(1)), "violation", 1002],
    [
      "too many fragments",
      Buffer.concat([clientFrame(0x02, new Uint8Array(0)), ...fragments(2_000)]),
      "violation",
      1008,
    ],
    ["a ping that is too long", clientFrame(0x89, new Uint8Array(126)), "violation", 1002],
  ] as const)("%s: ends the link, and nothing but the link", async (_title, bytes, code, closeCode) => {
    await using bench = await Bench.open({}, { frameBytesMax: 1_000 });
    const [other] = await bench.pair();
    // With the upgrade in one packet: the earliest moment at which an error can occur.
    const hostile = bench.raw(
      Buffer.concat([Buffer.from(upgradeRequest()), clientFrame(BINARY, Buffer.from("first")), bytes]),
    );
    const link = await bench.next();
    const got: string[] = [];
    link.frames$.subscribe((frame) => got.push(Buffer.from(frame).toString()));
    expect((await link.ended).code).toBe(code);
    expect(got).toEqual(["first"]);
    await until(() => hostile.text.includes(closeFrame(closeCode)), "the close frame");
    expect(other.bufferedBytes).toBe(0);
    await bench.pair();
  });
  it("survives a peer that is gone when it is refused", async () => {
    await using bench = await Bench.open({}, { frameBytesMax: 1_000 });
    for (let n = 0; n < 20; n++) {
      const hostile = bench.raw(
        Buffer.concat([Buffer.from(upgradeRequest()), clientFrame(BINARY, new Uint8Array(2_000))]),
      );
      await once(hostile.socket, "data");
      hostile.socket.resetAndDestroy();
    }
    await until(() => bench.accepted.length === 20, "all links");
    for (const link of bench.accepted) expect((await link.ended).code).toBe("tooLarge");
  });
});
function fragments(count: number): Buffer[] {
  return Array.from({ length: count }, () => clientFrame(0x00, new Uint8Array(0)));
}
const closeFrame = (code: number) => String.fromCharCode(code >> 8, code & 255);

describe("connections", () => {
  it("are no more than connectionsMax, and room is made by each that ends", async () => {
    await using bench = await Bench.open({ connectionsMax: 2 });
    const [first] = await bench.pair();
    await bench.pair();
    expect(await errorOf(bench.transport.dial(dialOptions()))).toMatchObject({
      code: "LIMIT_EXCEEDED",
      retryable: true,
    });
    const raw = bench.raw(upgradeRequest());
    await raw.ended;
    expect([raw.status, raw.header("seriatim-error")]).toEqual([503, "LIMIT_EXCEEDED"]);
    const platform = wsClientTransport({ url: bench.url, WebSocket });
    expect(await errorOf(platform.dial(dialOptions()))).toMatchObject({ code: "LIMIT_EXCEEDED" });
    first.close();
    await bench.accepted[0]?.ended;
    await bench.pair();
  });
  it("count from before the token is asked about, and no longer than that when it is refused", async () => {
    let answer: (principal: null) => void = () => {};
    let asked = 0;
    await using bench = await Bench.open(
      { connectionsMax: 1 },
      {
        authenticate: () => {
          asked++;
          return new Promise((resolve) => {
            answer = resolve;
          });
        },
      },
    );
    const first = errorOf(bench.transport.dial(dialOptions()));
    await until(() => asked === 1, "the question");
    expect(await errorOf(bench.transport.dial(dialOptions()))).toMatchObject({ code: "LIMIT_EXCEEDED" });
    answer(null);
    expect(await first).toMatchObject({ code: "UNAUTHENTICATED" });
    const second = errorOf(bench.transport.dial(dialOptions()));
    await until(() => asked === 2, "the second question");
    answer(null);
    await second;
  });
  it("are no more than connectionsPerAddressMax from one address, as the proxy in front tells it", async () => {
    await using bench = await Bench.open({ connectionsPerAddressMax: 1, behindProxy: true });
    const from = (address: string) => {
      const socket = new WebSocket(bench.url, ["seriatim.v1"], {
        headers: { "x-forwarded-for": `6.6.6.6, ${address}` },
      });
      socket.on("error", () => {});
      return socket;
    };
    await once(from("10.0.0.1"), "open");
    await once(from("10.0.0.2"), "open");
    await once(from("2001:db8::1"), "open");
    for (const again of ["10.0.0.1", "2001:db8::ffff"]) {
      const [, response] = await once(from(again), "unexpected-response");
      expect(response.statusCode).toBe(503);
    }
    await once(from("2001:db8:0:1::1"), "open");
    expect(bench.logged).toEqual([]);
    expect(bench.accepted.map(({ remote }) => remote)).toEqual([
      "10.0.0.1",
      "10.0.0.2",
      "2001:db8::1",
      "2001:db8:0:1::1",
    ]);
  });
  it("count with their address, whatever a proxy writes around it, and those without a known one as one", async () => {
    await using bench = await Bench.open({ connectionsPerAddressMax: 1, behindProxy: 2 });
    const answerTo = async (forwarded: string) => {
      const socket = new WebSocket(bench.url, ["seriatim.v1"], {
        headers: { "x-forwarded-for": `6.6.6.6, ${forwarded}, 10.0.0.1` },
      });
      socket.on("error", () => {});
      return Promise.race([
        once(socket, "open").then(() => 101),
        once(socket, "unexpected-response").then(([, response]) => response.statusCode as number),
      ]);
    };
    const answers: [string, number][] = [];
    for (const forwarded of [
      "1.2.3.4:1000",
      "1.2.3.4:1001",
      "::ffff:1.2.3.4",
      "[2001:db8::1]:443",
      '"[2001:DB8:0:0::2]"',
      "[2001:db8:0:1::1]",
      "unknown",
      "garbage",
      "",
    ])
      answers.push([forwarded, await answerTo(forwarded)]);
    expect(answers).toEqual([
      ["1.2.3.4:1000", 101],
      ["1.2.3.4:1001", 503],
      ["::ffff:1.2.3.4", 503],
      ["[2001:db8::1]:443", 101],
      ['"[2001:DB8:0:0::2]"', 503],
      ["[2001:db8:0:1::1]", 101],
      ["unknown", 101],
      ["garbage", 503],
      ["", 503],
    ]);
    expect(bench.accepted.map(({ remote }) => remote)).toEqual([
      "1.2.3.4",
      "2001:db8::1",
      "2001:db8:0:1::1",
      "unknown",
    ]);
  });
  it("have their tokens looked at no more than 100 at once of one address, and connectionsMax in all", async () => {
    const clock = new HandClock();
    const answers = new Set<() => void>();
    let gone = 0;
    const authenticate = (_token: string | null, signal: AbortSignal) =>
      new Promise<Principal>((resolve) => {
        answers.add(() => resolve({ id: "a" }));
        signal.addEventListener("abort", () => gone++);
      });
    await using bench = await Bench.open({ behindProxy: true, connectionsMax: 300 }, { authenticate }, clock);
    const from = (address: string) => bench.raw(upgradeRequest({ "x-forwarded-for": address }));
    const refused = async (raw: Raw) => {
      await raw.ended;
      return raw.header("seriatim-error");
    };
    // Breaking off makes no room: an authenticator that goes on is still busy.
    for (let n = 1; n <= 100; n++) {
      const { socket } = from("1.2.3.4");
      await until(() => answers.size === n, "the question");
      socket.resetAndDestroy();
    }
    await until(() => gone === 100, "all of them to be missed");
    expect(await refused(from("1.2.3.4"))).toBe("LIMIT_EXCEEDED");
    for (let n = 0; n < 200; n++) from(`10.0.0.${n}`);
    await until(() => answers.size === 300, "300 questions");
    expect(await refused(from("10.1.0.0"))).toBe("LIMIT_EXCEEDED");
    for (const answer of answers) answer();
    await until(() => bench.accepted.length === 200, "those that are still there");
    answers.clear();
    const next = from("1.2.3.4");
    await until(() => answers.size === 1, "the next question");
    next.socket.destroy();
    await until(() => gone === 101, "it to be missed");
    clock.advance(5_000); // one that never answers counts no longer than it may take
    for (let n = 0; n < 100; n++) from("1.2.3.4");
    await until(() => answers.size === 101, "100 more");
  });
  it("are not believed about their address without a proxy", async () => {
    await using bench = await Bench.open();
    for (let n = 0; n < 2; n++) {
      await bench.foreign(["seriatim.v1"], { headers: { "x-forwarded-for": "6.6.6.6" } });
      expect((await bench.next()).remote).toMatch(/^127\.0\.0\.1:\d+$/);
    }
    expect(bench.logged).toEqual([expect.stringContaining('if a proxy is in front, set "behindProxy"')]);
  });
  it("are not all taken by one principal, from however many addresses", async () => {
    const authenticate = async (token: string | null) => (token === null ? null : { id: token });
    await using bench = await Bench.open({ connectionsMax: 20, behindProxy: true }, { authenticate });
    let address = 0;
    const openAs = (id: string) => {
      const headers = { "x-forwarded-for": `10.0.0.${address++}`, authorization: `Bearer ${id}` };
      return bench.foreign(["seriatim.v1"], { headers }).then(
        () => "open",
        () => "refused",
      );
    };
    const greedy: string[] = [];
    for (let n = 0; n < 20; n++) greedy.push(await openAs("greedy"));
    expect(greedy).toEqual([...Array(18).fill("open"), "refused", "refused"]);
    expect([await openAs("other"), await openAs("greedy"), await openAs("other"), await openAs("third")]).toEqual([
      "open",
      "refused",
      "refused", // has its hundredth, which is one here
      "open",
    ]);
    await until(() => bench.accepted.length === 20, "all links");
    const end = async (link: IncomingLink | undefined) => {
      link?.abort();
      await link?.ended;
    };
    await end(bench.accepted[0]);
    await end(bench.accepted[1]);
    expect(await openAs("greedy")).toBe("refused"); // 18 are open still
    await end(bench.accepted[2]);
    expect(await openAs("greedy")).toBe("open");
  });
  it("are warned of, once, when they come past the proxy", async ({ skip }) => {
    const outside = Object.values(networkInterfaces())
      .flatMap((all) => all ?? [])
      .find(({ family, internal }) => family === "IPv4" && !internal)?.address;
    if (outside === undefined) return skip("this machine has no other address");
    await using bench = await Bench.open({ host: "0.0.0.0", behindProxy: true });
    for (let n = 0; n < 2; n++) {
      const link = await wsClientTransport({ url: `ws://${outside}:${bench.port}` }).dial(dialOptions());
      expect((await bench.next()).remote).toBe(outside);
      link.abort();
    }
    expect(bench.logged).toEqual([
      expect.stringContaining("a request without X-Forwarded-For came from another machine"),
    ]);
  });
  it("come no faster than connectsPerSecondMax, after ten seconds' worth at once", async () => {
    const clock = new HandClock();
    await using bench = await Bench.open({ connectsPerSecondMax: 2 }, {}, clock);
    const outcomes = await Promise.all(Array.from({ length: 30 }, () => errorOf(bench.transport.dial(dialOptions()))));
    const refused = outcomes.filter((outcome) => outcome !== "no rejection");
    expect(refused.length).toBe(10);
    for (const refusal of refused) expect(refusal).toMatchObject({ code: "LIMIT_EXCEEDED" });
    clock.advance(500);
    await bench.pair();
    for (const link of bench.accepted) link.abort();
  });
});

describe("a peer that sends too much", () => {
  it("is read more slowly, and loses nothing, nor its link", async () => {
    await using bench = await Bench.open({ framesPerSecondMax: 500, pingMs: 500 });
    const [dialled, accepted] = await bench.pair();
    const got: number[] = [];
    accepted.frames$.subscribe((frame) => got.push(frame[0] as number));
    const started = performance.now();
    for (let n = 0; n < 1_500; n++) {
      dialled.send(Uint8Array.of(n & 255));
      if (n % 50 === 0) await sleep(0);
    }
    await until(() => got.length === 1_500, "all frames");
    expect(performance.now() - started).toBeGreaterThan(1_500);
    expect(got).toEqual(Array.from({ length: 1_500 }, (_, n) => n & 255));
    await sleep(1_500);
    dialled.send(Uint8Array.of(1));
    await until(() => got.length === 1_501, "one more");
  });
  it("is held to bytes per second, too", async () => {
    await using bench = await Bench.open({ bytesPerSecondMax: 4 * 1024 * 1024 });
    const [dialled, accepted] = await bench.pair();
    let bytes = 0;
    accepted.frames$.subscribe((frame) => (bytes += frame.length));
    const started = performance.now();
    for (let n = 0; n < 6; n++) dialled.send(new Uint8Array(1024 * 1024));
    await until(() => bytes === 6 * 1024 * 1024, "all bytes");
    expect(performance.now() - started).toBeGreaterThan(200);
  });
});

describe("a peer that does not read", () => {
  const deaf = async (bench: Bench) => {
    const socket = await bench.foreign();
    socket.pause();
    return [socket, await bench.next()] as const;
  };
  it("ends as overloaded after the grace period, and keeps nobody waiting", async () => {
    const clock = new HandClock();
    await using bench = await Bench.open({ bufferedBytesMax: 1024 * 1024, overloadedAfterMs: 200 }, {}, clock);
    const [other, accepted] = await bench.pair();
    const [, link] = await deaf(bench);
    while (link.bufferedBytes < 2 * 1024 * 1024) {
      link.send(new Uint8Array(256 * 1024));
      await sleep(0);
    }
    const got: number[] = [];
    other.frames$.subscribe((frame) => got.push(frame.length));
    accepted.send(new Uint8Array(1));
    await until(() => got.length === 1, "the frame of another link");
    let ended = false;
    void link.ended.then(() => (ended = true));
    clock.advance(199);
    await sleep(0);
    expect(ended).toBe(false);
    clock.advance(1);
    clock.advance(1_000); // and does not take the goodbye either
    expect((await link.ended).code).toBe("overloaded");
    expect(link.bufferedBytes).toBe(0);
  });
  it("ends at once when far too much waits for it", async () => {
    await using bench = await Bench.open({ bufferedBytesMax: 1024 * 1024, overloadedAfterMs: 60_000 });
    const [, link] = await deaf(bench);
    for (let n = 0; n < 200; n++) {
      link.send(new Uint8Array(256 * 1024));
      expect(link.bufferedBytes).toBeLessThan(10 * 1024 * 1024);
    }
    expect((await link.ended).code).toBe("overloaded");
  });
  it("stays when it reads again in time", async () => {
    const clock = new HandClock();
    await using bench = await Bench.open({ bufferedBytesMax: 1024 * 1024, overloadedAfterMs: 600 }, {}, clock);
    const [socket, link] = await deaf(bench);
    while (link.bufferedBytes < 2 * 1024 * 1024) {
      link.send(new Uint8Array(256 * 1024));
      await sleep(0);
    }
    clock.advance(100);
    socket.resume();
    await until(() => link.bufferedBytes === 0, "an empty buffer");
    clock.advance(800);
    socket.send(Buffer.alloc(7));
    const got: number[] = [];
    link.frames$.subscribe((frame) => got.push(frame.length));
    await until(() => got.length === 1, "a frame");
  });
  it("hears why, when it reads after all", async () => {
    const clock = new HandClock();
    await using bench = await Bench.open({ bufferedBytesMax: 256 * 1024, overloadedAfterMs: 100 }, {}, clock);
    const [socket, link] = await deaf(bench);
    while (link.bufferedBytes < 1024 * 1024) {
      link.send(new Uint8Array(256 * 1024));
      await sleep(0);
    }
    const closed = once(socket, "close");
    clock.advance(100);
    socket.resume();
    const [code] = await closed;
    expect(code).toBe(1013);
    expect((await link.ended).code).toBe("overloaded");
  });
});

describe("a half-open link", () => {
  it("is found by either side's pings", async () => {
    await using bench = await Bench.open({ pingMs: 500 });
    await using tunnel = await Tunnel.to(bench.port);
    const dialled = await wsClientTransport({ url: tunnel.url, pingMs: 500 }).dial(dialOptions());
    const accepted = await bench.next();
    await sleep(1_800);
    let ended = 0;
    for (const link of [dialled, accepted]) void link.ended.then(() => ended++);
    await sleep(0);
    expect(ended).toBe(0);
    tunnel.fallSilent();
    for (const link of [dialled, accepted])
      expect(await link.ended).toEqual({ code: "lost", reason: "no sign of life for 2 pings" });
  });
  it("is not seen in one that is only slow to read", async () => {
    await using bench = await Bench.open({ pingMs: 500 });
    const [dialled, accepted] = await bench.pair();
    for (let n = 0; n < 8; n++) dialled.send(new Uint8Array(1024 * 1024)); // nobody subscribes: reading pauses
    await sleep(1_800);
    let bytes = 0;
    accepted.frames$.subscribe((frame) => (bytes += frame.length));
    await until(() => bytes === 8 * 1024 * 1024, "all bytes");
  });
  it("ends as lost when the peer's process is gone", async () => {
    await using bench = await Bench.open();
    const raw = bench.raw(upgradeRequest());
    const link = await bench.next();
    raw.socket.resetAndDestroy();
    expect((await link.ended).code).toBe("lost");
  });
});

describe("a peer in a hurry", () => {
  it("may send frames with the request and while its token is asked about", async () => {
    await using bench = await Bench.open({}, { authenticate: () => sleep(100).then(() => ({ id: "a" })) });
    const raw = bench.raw(Buffer.concat([Buffer.from(upgradeRequest()), clientFrame(BINARY, Buffer.from("one"))]));
    await sleep(30);
    raw.socket.write(clientFrame(BINARY, Buffer.from("two")));
    const link = await bench.next();
    const got: string[] = [];
    link.frames$.subscribe((frame) => got.push(Buffer.from(frame).toString()));
    raw.socket.write(clientFrame(BINARY, Buffer.from("three")));
    await until(() => got.length === 3, "all frames");
    expect(got).toEqual(["one", "two", "three"]);
  });
  it("may break off at once", async () => {
    await using bench = await Bench.open();
    const raws = Array.from({ length: 50 }, () => bench.raw(upgradeRequest()));
    await sleep(5);
    for (const raw of raws) raw.socket.resetAndDestroy();
    await sleep(50);
    for (const link of bench.accepted) expect((await link.ended).code).toBe("lost");
    await bench.pair().catch((error) => expect(error).toBeUndefined());
  });
});
