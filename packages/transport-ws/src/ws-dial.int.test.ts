import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { systemRuntime, type Transport, tokens } from "@seriatim/actors";
import { Container } from "inversify";
import { describe, expect, it } from "vitest";
import { WebSocketServer } from "ws";
import { certificate, expiredCertificate } from "./certificate.fixture.ts";
import { wsClientTransport } from "./client.ts";
import { wsTransport } from "./index.ts";
import { Bench, closed, dialOptions, errorOf, openSockets, transportOf, until } from "./ws.fixture.ts";

const dial = (url: string | string[], token: string | null = null) =>
  wsClientTransport({ url }).dial(dialOptions({ token }));

describe("the module", () => {
  it("binds a transport that warns through the system's logger", async () => {
    const container = new Container();
    const logged: string[] = [];
    container.bind(tokens.runtime).toConstantValue(systemRuntime());
    container
      .bind(tokens.logger)
      .toConstantValue({ log: (level: string, text: string) => void logged.push(`${level}: ${text}`) });
    container.load(wsTransport({ port: 0, host: "0.0.0.0" }));
    const transport = container.get<Transport>(tokens.transport);
    const listener = await transport.listen?.({ authenticate: async () => ({ id: "a" }) });
    expect(logged).toEqual([expect.stringMatching(/^warn: listening on 0\.0\.0\.0.* without TLS/)]);
    const link = await transport.dial(dialOptions());
    link.close();
    await link.ended;
    await listener?.[Symbol.asyncDispose]();
  });
});

describe("listening", () => {
  it("says which port is in use", async () => {
    await using bench = await Bench.open();
    const second = transportOf({ port: bench.port });
    expect(await errorOf(second.listen?.({ authenticate: async () => null }) ?? Promise.resolve())).toMatchObject({
      code: "UNAVAILABLE",
      message: `port ${bench.port} of 127.0.0.1 is in use`,
    });
  });
  it("says which address it cannot have", async () => {
    const elsewhere = transportOf({ port: 0, host: "192.0.2.1", behindProxy: true });
    expect(await errorOf(elsewhere.listen?.({ authenticate: async () => null }) ?? Promise.resolve())).toMatchObject({
      code: "UNAVAILABLE",
      message: expect.stringContaining("192.0.2.1"),
    });
  });
  it("refuses a certificate that is none", async () => {
    const broken = transportOf({ port: 0, tls: { key: "k", cert: "c" } });
    expect(await errorOf(broken.listen?.({ authenticate: async () => null }) ?? Promise.resolve())).toMatchObject({
      code: "OPTION_INVALID",
    });
  });
  it("warns of an open door, but not of one behind a proxy, with TLS, or to this machine only", async () => {
    for (const [options, warned] of [
      [{ host: "0.0.0.0" }, true],
      [{ host: "::" }, true],
      [{ host: "0.0.0.0", behindProxy: true }, false],
      [{ host: "0.0.0.0", tls: certificate }, false],
      [{ host: "127.0.0.2" }, false],
      [{ host: "localhost" }, false],
      [{ host: "::1" }, false],
    ] as const) {
      await using bench = await Bench.open(options);
      expect(bench.logged.some((text) => text.includes("without TLS"))).toBe(warned);
      await bench.pair();
    }
  });
  it("warns where it is told to", async () => {
    const texts: string[] = [];
    await using bench = await Bench.open({ host: "0.0.0.0", onWarning: (text) => texts.push(text) });
    expect([texts.length, bench.logged.length]).toEqual([1, 0]);
    expect(texts[0]).toContain("0.0.0.0");
  });
  it("listens although nobody can be warned", async () => {
    const onWarning = () => {
      throw new Error("broken logger");
    };
    await using bench = await Bench.open({ host: "0.0.0.0", onWarning });
    await bench.pair();
  });
  it("frees the port at once when closed, and forgets who was connecting", async () => {
    const bench = await Bench.open();
    const half = bench.raw("GET / HTTP/1.1\r\n");
    const { port } = bench;
    const [dialled] = await bench.pair();
    await bench.listener.close();
    await half.ended;
    const again = await Bench.open({ port });
    dialled.send(new Uint8Array(1)); // the link of the first listener is still there
    expect(dialled.bufferedBytes).toBeGreaterThanOrEqual(0);
    await again[Symbol.asyncDispose]();
    await bench[Symbol.asyncDispose]();
    await until(() => openSockets() === 0, "every socket to close");
  });
});

describe("dialling", () => {
  it("needs its own listener first when it has a port", async () => {
    expect(await errorOf(transportOf({ port: 0 }).dial(dialOptions()))).toMatchObject({ code: "UNAVAILABLE" });
  });
  it("says where nobody listens", async () => {
    for (const url of ["ws://127.0.0.1:1", "ws://localhost:1/path"])
      expect(await errorOf(dial(url))).toMatchObject({
        code: "UNAVAILABLE",
        message: expect.stringMatching(/^ws:\/\/(127\.0\.0\.1|localhost):1.*ECONNREFUSED/),
      });
    expect(await errorOf(dial("ws://no-such-host.invalid"))).toMatchObject({ code: "UNAVAILABLE" });
  });
  it.each([
    [200, "UNAVAILABLE"],
    [302, "UNAVAILABLE"],
    [401, "UNAUTHENTICATED"],
    [403, "FORBIDDEN"],
    [404, "UNAVAILABLE"],
    [426, "VERSION_UNSUPPORTED"],
    [429, "LIMIT_EXCEEDED"],
    [502, "UNAVAILABLE"],
    [503, "UNAVAILABLE"],
  ])("takes a foreign HTTP answer %i for %s", async (status, code) => {
    const server = createServer((_request, response) =>
      response.writeHead(status, { location: "/" }).end("x".repeat(9_999)),
    );
    server.on("upgrade", (_request, socket) => socket.end(`HTTP/1.1 ${status} No\r\nconnection: close\r\n\r\n`));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
    expect(await errorOf(dial(url))).toMatchObject({ code, message: expect.stringContaining(String(status)) });
    server.close();
  });
  it("ends with VERSION_UNSUPPORTED at a server of other or no subprotocols", async () => {
    for (const handleProtocols of [() => false as const, () => "seriatim.v2"]) {
      const server = new WebSocketServer({ port: 0, host: "127.0.0.1", handleProtocols });
      await once(server, "listening");
      const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
      expect(await errorOf(dial(url))).toMatchObject({ code: "VERSION_UNSUPPORTED" });
      server.close();
    }
  });
  it("tries several URLs, beginning with the one that worked last", async () => {
    await using one = await Bench.open();
    await using two = await Bench.open();
    const transport = wsClientTransport({ url: ["ws://127.0.0.1:1", one.url, two.url] });
    const next = async () => (await transport.dial(dialOptions())).close();
    await next();
    await next();
    await until(() => one.accepted.length === 2, "two links to the second URL");
    await one.listener[Symbol.asyncDispose]();
    await next();
    await next();
    await until(() => two.accepted.length === 2, "two links to the third URL");
  });
  it("tells what each of several URLs said, and can be tried again when one may come back", async () => {
    await using bench = await Bench.open();
    const error = await errorOf(dial([bench.url, "ws://127.0.0.1:1"], "wrong"));
    expect(error).toMatchObject({ code: "UNAVAILABLE", retryable: true });
    expect(String(error)).toMatch(/the token was refused.*ECONNREFUSED/);
    expect(await errorOf(dial([bench.url, bench.url], "wrong"))).toMatchObject({ code: "UNAUTHENTICATED" });
  });
  it("checks certificates", async () => {
    await using bench = await Bench.open({ host: "localhost", tls: certificate });
    expect(bench.url).toMatch(/^wss:/);
    expect(await errorOf(dial(bench.url))).toMatchObject({
      code: "UNAVAILABLE",
      message: expect.stringContaining("self-signed"),
    });
    const trusting = wsClientTransport({ url: bench.url, tls: { ca: certificate.cert } });
    const link = await trusting.dial(dialOptions());
    link.close();
    expect((await link.ended).code).toBe("normal");
  });
});

describe("a listening side that dials itself", () => {
  it.each([
    ["signed by itself", certificate],
    ["of another host, and expired", expiredCertificate],
  ])("takes its own certificate, %s", async (_title, tls) => {
    await using bench = await Bench.open({ tls });
    await bench.pair({ token: "s3cret" });
    expect(bench.asked).toEqual(["s3cret"]);
  });
  it("takes no other, and tells its token to nobody who has its port by now", async () => {
    const bench = await Bench.open({ tls: certificate });
    const { port } = bench;
    await bench[Symbol.asyncDispose]();
    const heard: unknown[] = [];
    const other = createTlsServer(expiredCertificate, (socket) => {
      socket.on("error", () => {});
      socket.on("data", (bytes) => {
        heard.push(bytes.toString());
        socket.destroy();
      });
    });
    other.listen(port, "127.0.0.1");
    await once(other, "listening");
    const met = once(other, "connection").then(([socket]) => closed(socket as Socket));
    expect(await errorOf(bench.transport.dial(dialOptions({ token: "s3cret" })))).toMatchObject({
      code: "UNAVAILABLE",
      message: expect.stringContaining("another certificate than that of our own listener"),
    });
    await met;
    expect(heard).toEqual([]);
    other.close();
  });
});

describe("options", () => {
  it.each([
    [{}, "url"],
    [{ port: 1, url: "ws://a" }, "url"],
    [{ port: 70_000 }, "port"],
    [{ port: 1.5 }, "port"],
    [{ url: [] }, "url"],
    [{ url: "http://a" }, "url"],
    [{ url: "ws://a/#b" }, "url"],
    [{ url: "shop" }, "url"],
    [{ port: 0, origins: ["https://shop.example/"] }, "origins"],
    [{ port: 0, origins: ["*"] }, "origins"],
    [{ port: 0, behindProxy: 0 }, "behindProxy"],
    [{ port: 0, behindProxy: 1.5 }, "behindProxy"],
    [{ port: 0, behindProxy: "true" }, "behindProxy"],
    [{ port: 0, pingMs: 0 }, "pingMs"],
    [{ port: 0, pingMs: 9 }, "pingMs"],
    [{ port: 0, authenticateTimeoutMs: 0.5 }, "authenticateTimeoutMs"],
    [{ url: "ws://a", backoff: { initialMs: 0.01 } }, "backoff.initialMs"],
    [{ port: 0, pingMs: Number.POSITIVE_INFINITY }, "pingMs"],
    [{ port: 0, connectionsMax: Number.NaN }, "connectionsMax"],
    [{ url: "ws://a", bufferedBytesMax: "8" }, "bufferedBytesMax"],
    [{ url: "ws://a", backoff: { initialMs: 10, maxMs: 5 } }, "backoff.maxMs"],
  ])("refuses %j at once", (options, option) => {
    expect(() => wsTransport(options as never)).toThrow(
      expect.objectContaining({ code: "OPTION_INVALID", data: expect.objectContaining({ option }) }),
    );
  });
  it("takes undefined for left out", async () => {
    await using bench = await Bench.open({ host: undefined, origins: undefined, tls: undefined, pingMs: undefined });
    await bench.pair();
  });
  it("carries the backoff", () => {
    expect(wsClientTransport({ url: "ws://a" }).backoff).toEqual({ initialMs: 100, maxMs: 5_000 });
    expect(transportOf({ port: 0, backoff: { maxMs: 200 } }).backoff).toEqual({ initialMs: 100, maxMs: 200 });
    expect(transportOf({ url: "ws://a", backoff: { initialMs: 9_000 } }).backoff).toEqual({
      initialMs: 9_000,
      maxMs: 9_000,
    });
  });
});
