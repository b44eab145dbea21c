import { once } from "node:events";
import { connect as connectTls } from "node:tls";
import { describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { certificate } from "./certificate.fixture.ts";
import { wsClientTransport } from "./client.ts";
import { Bench, closed, dialOptions, errorOf, HandClock, sleep, until, upgradeRequest } from "./ws.fixture.ts";

const statusOf = async (bench: Bench, headers: Record<string, string>, method = "GET") => {
  const raw = bench.raw(upgradeRequest(headers, method));
  await until(() => raw.text.includes("\r\n\r\n"), "an answer");
  return raw;
};
const token = (text: string) => `seriatim.token.${Buffer.from(text).toString("base64url")}`;

describe("origin", () => {
  const origins = ["https://shop.example", "http://localhost:3000"];
  it.each([
    ["https://shop.example", 101],
    ["http://localhost:3000", 101],
    ["", 101], // none: not a browser
    ["https://shop.example.evil.example", 403],
    ["https://evil.example", 403],
    ["http://shop.example", 403],
    ["https://SHOP.example", 403],
    ["null", 403],
  ])("answers %j with %i", async (origin, status) => {
    await using bench = await Bench.open({ origins });
    const raw = await statusOf(bench, { origin });
    expect(raw.status).toBe(status);
    expect(bench.asked.length).toBe(status === 101 ? 1 : 0);
    if (status === 403) {
      expect(raw.header("seriatim-error")).toBe("FORBIDDEN");
      await raw.ended;
    }
  });
  it("lets no page in unless it is listed", async () => {
    await using bench = await Bench.open();
    expect((await statusOf(bench, { origin: "https://shop.example" })).status).toBe(403);
  });
  it("reaches the dialling side as FORBIDDEN, also where HTTP statuses are not shown", async () => {
    await using bench = await Bench.open({ origins });
    class PageSocket extends WebSocket {
      constructor(url: string, protocols: string[]) {
        super(url, protocols, { origin: "https://evil.example" });
      }
    }
    const page = wsClientTransport({ url: bench.url, WebSocket: PageSocket });
    expect(await errorOf(page.dial(dialOptions()))).toMatchObject({ code: "FORBIDDEN" });
    expect(bench.accepted).toEqual([]);
  });
});

describe("token", () => {
  it("is asked about before the upgrade, and refused with 401", async () => {
    await using bench = await Bench.open();
    const raw = await statusOf(bench, { authorization: "Bearer wrong" });
    expect(raw.status).toBe(401);
    expect(raw.header("www-authenticate")).toBe("Bearer");
    expect(raw.text).not.toContain("101");
    await raw.ended;
    expect(bench.accepted).toEqual([]);
  });
  it("is read from the Authorization header, whatever the case of the scheme", async () => {
    await using bench = await Bench.open();
    for (const scheme of ["Bearer", "bearer"]) await statusOf(bench, { authorization: `${scheme} s3cret` });
    for (const other of ["Basic czNjcmV0", "Bearer", "Bearer a b"]) await statusOf(bench, { authorization: other });
    expect(bench.asked).toEqual(["s3cret", "s3cret", null, null, null]);
  });
  it("is read from a subprotocol entry, and never echoed", async () => {
    await using bench = await Bench.open();
    const raw = await statusOf(bench, { "sec-websocket-protocol": `seriatim.v1, ${token("s3crët")}` });
    expect(raw.status).toBe(101);
    expect(raw.header("sec-websocket-protocol")).toBe("seriatim.v1");
    expect(bench.asked).toEqual(["s3crët"]);
    await statusOf(bench, { "sec-websocket-protocol": `${token("first")}, seriatim.v1` });
    await statusOf(bench, { "sec-websocket-protocol": "seriatim.v1, seriatim.token._w" }); // not UTF-8
    expect(bench.asked).toEqual(["s3crët", "first", null]);
  });
  it("is told as refused where HTTP statuses are not shown, over a connection that takes no frames", async () => {
    await using bench = await Bench.open();
    const platform = wsClientTransport({ url: bench.url, WebSocket });
    expect(await errorOf(platform.dial(dialOptions({ token: "wrong" })))).toMatchObject({
      code: "UNAUTHENTICATED",
      message: expect.stringContaining("the token was refused"),
    });
    const refused = await bench.foreign(["seriatim.v1", "seriatim.refusal", token("wrong")]);
    expect(refused.protocol).toBe("seriatim.refusal");
    refused.send(Buffer.alloc(1_000_000));
    await once(refused, "close");
    expect(bench.accepted).toEqual([]);
  });
  it("refuses as UNAVAILABLE when the authenticator does not answer in time, and tells it", async () => {
    let gaveUp: unknown;
    await using bench = await Bench.open(
      { authenticateTimeoutMs: 50 },
      {
        authenticate: (_token, signal) =>
          new Promise(() => signal.addEventListener("abort", () => (gaveUp = signal.reason))),
      },
    );
    expect(await errorOf(bench.transport.dial(dialOptions()))).toMatchObject({
      code: "UNAVAILABLE",
      message: expect.stringContaining("50 ms"),
    });
    expect(gaveUp).toBeDefined();
  });
  it("stays out of errors and logs", async () => {
    await using bench = await Bench.open({}, { authenticate: () => Promise.reject(new Error("directory down")) });
    const url = `${bench.url}/path?ticket=hidden`;
    const error = await errorOf(wsClientTransport({ url }).dial(dialOptions({ token: "s3cret" })));
    expect(error).toMatchObject({ code: "UNAVAILABLE" });
    expect(`${error}${bench.logged}`).not.toMatch(/s3cret|hidden/);
    expect(bench.logged).toEqual(["the authenticator failed"]);
  });
});

describe("what stands in the headers", () => {
  it("is read once: of two tokens the first, of two origins none, of subprotocols as many as there is room for", async () => {
    await using bench = await Bench.open({ origins: ["https://shop.example"] });
    const twice = (name: string, first: string, second: string) => ({ [name]: `${first}\r\n${name}: ${second}` });
    expect((await statusOf(bench, twice("authorization", "Bearer one", "Bearer two"))).status).toBe(101);
    expect((await statusOf(bench, twice("origin", "https://shop.example", "https://shop.example"))).status).toBe(403);
    const many = Array.from({ length: 2_000 }, (_, n) => `x${n}`).join(", ");
    expect(
      (await statusOf(bench, { "sec-websocket-protocol": `${many}, seriatim.v1, ${token("three")}` })).status,
    ).toBe(101);
    const same = `seriatim.v1${", seriatim.v1".repeat(1_000)}`;
    expect((await statusOf(bench, { "sec-websocket-protocol": same })).status).toBe(400);
    expect((await statusOf(bench, { "sec-websocket-protocol": `seriatim.v1, ${"x, ".repeat(6_000)}` })).status).toBe(
      431,
    );
    expect(bench.asked.slice(0, 2)).toEqual(["one", "three"]);
  });
});

describe("version", () => {
  it.each(["", "seriatim.v2", "mqtt", "seriatim.v10"])("refuses the subprotocol %j with 426", async (protocol) => {
    await using bench = await Bench.open();
    const raw = await statusOf(bench, { "sec-websocket-protocol": protocol });
    expect(raw.status).toBe(426);
    expect(raw.header("seriatim-error")).toBe("VERSION_UNSUPPORTED");
    expect(bench.asked).toEqual([]);
  });
  it("is told where HTTP statuses are not shown", async () => {
    await using bench = await Bench.open();
    const socket = await bench.foreign(["seriatim.v2", "seriatim.refusal"]);
    const [code] = await once(socket, "close");
    expect(code).toBe(4426);
  });
});

describe("what is not a WebSocket", () => {
  it.each([
    ["a plain request", "GET / HTTP/1.1\r\nhost: x\r\n\r\n", 426],
    ["an upgrade without a key", upgradeRequest({ "sec-websocket-key": "" }), 400],
    ["an upgrade with a wrong key", upgradeRequest({ "sec-websocket-key": "short" }), 400],
    ["an old version", upgradeRequest({ "sec-websocket-version": "8" }), 400],
    ["a POST", upgradeRequest({}, "POST"), 400],
    ["another upgrade", upgradeRequest({ upgrade: "h2c" }), 400],
    ["a subprotocol list that cannot be read", upgradeRequest({ "sec-websocket-protocol": "seriatim.v1,,@" }), 400],
    ["a header too large", upgradeRequest({ x: "x".repeat(20_000) }), 431],
    ["no HTTP at all", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400],
  ])("%s is answered and closed", async (_title, text, status) => {
    await using bench = await Bench.open();
    const raw = bench.raw(text);
    await raw.ended;
    expect(raw.status).toBe(status);
    expect(bench.accepted).toEqual([]);
    await bench.pair(); // and everybody else is served
  });
  it("an upgrade that breaks off in the middle of the question about its token harms nobody", async () => {
    let told = 0;
    await using bench = await Bench.open(
      {},
      {
        authenticate: (token, signal) =>
          token === "fine"
            ? Promise.resolve({ id: "a" })
            : new Promise(() => signal.addEventListener("abort", () => told++)),
      },
    );
    const [polite, rude] = [bench.raw(upgradeRequest()), bench.raw(upgradeRequest())];
    await sleep(30);
    polite.socket.end();
    rude.socket.resetAndDestroy();
    await until(() => told === 2, "both signals");
    await bench.pair({ token: "fine" });
  });
});

describe("a slow handshake", () => {
  it("ends at its deadline, whether nothing comes or one byte after the other", async () => {
    await using bench = await Bench.open({ handshakeTimeoutMs: 200 });
    const silent = bench.raw();
    const slow = bench.raw();
    const request = upgradeRequest();
    let at = 0;
    const drip = setInterval(() => slow.socket.write(request[at++] as string), 10);
    await Promise.all([silent.ended, slow.ended]);
    clearInterval(drip);
    expect(at).toBeLessThan(request.length);
  });
  it("ends at its deadline over TLS, too: before its handshake, within it, and after it", async () => {
    await using bench = await Bench.open({ tls: certificate, handshakeTimeoutMs: 200 });
    const silent = bench.raw();
    const within = bench.raw(Buffer.from("1603010200010001fc0303", "hex")); // a ClientHello says that more comes
    const after = connectTls({ port: bench.port, host: "127.0.0.1", ca: certificate.cert });
    after.on("error", () => {});
    await once(after, "secureConnect");
    after.write("GET / HTTP/1.1\r\n");
    await Promise.all([silent.ended, within.ended, closed(after)]);
    await bench.pair();
  });
  it("does not end a link that was open in time", async () => {
    const clock = new HandClock();
    await using bench = await Bench.open({ handshakeTimeoutMs: 50 }, {}, clock);
    const [dialled, accepted] = await bench.pair();
    clock.advance(150);
    const got: number[] = [];
    accepted.frames$.subscribe((frame) => got.push(frame.length));
    dialled.send(new Uint8Array(3));
    await until(() => got.length === 1, "the frame");
  });
});
