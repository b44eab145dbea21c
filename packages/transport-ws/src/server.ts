import { setMaxListeners } from "node:events";
import { createServer, type IncomingMessage, type Server, STATUS_CODES } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { MessagingError, type Runtime } from "@seriatim/actors/client";
import {
  type IncomingLink,
  type Listener,
  type ListenOptions,
  type Principal,
  tokenUnchecked,
} from "@seriatim/actors/transport";
import type { Observable } from "rxjs";
import { type WebSocket, WebSocketServer } from "ws";
import { dialUrl, forwardedAddress, isLoopback, plainAddress } from "./addresses.ts";
import { Admission } from "./admission.ts";
import { fragmentsMax } from "./dial.ts";
import { Mailbox } from "./mailbox.ts";
import { NodeSocket, survivesErrors } from "./node-socket.ts";
import { linkSettingsOf, proxiesOf, type WsListenOptions } from "./options.ts";
import {
  clipReason,
  ERROR_HEADER,
  REFUSALS,
  type RefusalCode,
  SUBPROTOCOL,
  SUBPROTOCOL_REFUSAL,
  tokenFromEntries,
} from "./wire.ts";
import { CLOSE_MAX_MS, IncomingWsLink, type LinkSettings } from "./ws-link.ts";

const FRAME_BYTES_MAX = 4 * 1024 * 1024;
/** Time a refused peer gets to read why, in ms. */
const REFUSAL_MS = 1_000;
/** Sockets that may be somewhere before their upgrade, beyond the links. */
const HANDSHAKES_MAX = 1_000;
const KEY = /^[+/0-9A-Za-z]{22}==$/;

type Warn = (text: string, data: object) => void;
/** A socket of a server: TCP, or TLS over it. */
type Connection = Duplex & {
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
  readonly bytesRead: number;
  readonly bytesWritten: number;
};
/** Why an upgrade is refused. */
class Refusal {
  readonly code: RefusalCode;
  readonly text: string;
  constructor(code: RefusalCode, text: string) {
    this.code = code;
    this.text = text;
  }
}

/** Opens the listener. @throws `UNAVAILABLE` naming the port when it cannot be had. */
export async function listen(
  runtime: Runtime,
  options: WsListenOptions,
  listening: ListenOptions,
  warn: Warn,
): Promise<Listener> {
  const { port, host = "127.0.0.1", tls } = options;
  if (tls === undefined && proxiesOf(options) === 0 && !isLoopback(host))
    warn(
      `listening on ${host}:${port} without TLS: tokens and messages travel in the clear; set "tls", or "behindProxy: true" when a proxy ends TLS in front`,
      { host, port },
    );
  const handshakeMs = options.handshakeTimeoutMs ?? 10_000;
  const timeouts = {
    headersTimeout: handshakeMs,
    requestTimeout: handshakeMs,
    connectionsCheckingInterval: Math.min(1_000, handshakeMs),
    keepAliveTimeout: 1_000,
    noDelay: true,
  };
  let server: Server;
  try {
    server =
      tls === undefined
        ? createServer(timeouts)
        : createTlsServer({
            ...timeouts,
            key: tls.key as string | Buffer,
            cert: tls.cert as string | Buffer,
            handshakeTimeout: handshakeMs,
          });
  } catch (cause) {
    throw new MessagingError("OPTION_INVALID", `option "tls" cannot be used: ${textOf(cause)}`, { cause });
  }
  const listener = new WsListener(runtime, server, options, listening, warn, handshakeMs);
  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause: NodeJS.ErrnoException) => {
      const why =
        cause.code === "EADDRINUSE"
          ? "is in use"
          : cause.code === "EACCES"
            ? "needs rights this process does not have"
            : `cannot be listened on (${cause.message})`;
      reject(new MessagingError("UNAVAILABLE", `port ${port} of ${host} ${why}`, { cause, data: { port, host } }));
    });
    server.listen({ port, host }, resolve);
  });
  server.on("error", (error) => warn("the listening socket reports an error", { error: error.message }));
  listener.address = dialUrl(host, (server.address() as AddressInfo).port, tls !== undefined);
  return listener;
}
const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

class WsListener implements Listener {
  readonly links$: Observable<IncomingLink>;
  address = "";
  readonly #runtime: Runtime;
  readonly #server: Server;
  readonly #options: WsListenOptions;
  readonly #authenticate: ListenOptions["authenticate"];
  readonly #settings: LinkSettings;
  readonly #warn: Warn;
  readonly #warned = new Set<string>();
  readonly #admission: Admission;
  readonly #arrivals: Mailbox<IncomingLink>;
  readonly #links = new Set<IncomingLink>();
  /** Every TCP connection, so that none outlives a close. */
  readonly #sockets = new Set<Duplex>();
  /** Those that are not links yet, with what stops their deadline. */
  readonly #handshakes = new Map<Duplex, () => void>();
  readonly #upgrades: WebSocketServer;
  readonly #refusals: WebSocketServer;
  readonly #closing = new AbortController();
  #closed: Promise<void> | null = null;

  constructor(
    runtime: Runtime,
    server: Server,
    options: WsListenOptions,
    listening: ListenOptions,
    warn: Warn,
    handshakeMs: number,
  ) {
    this.#runtime = runtime;
    this.#server = server;
    this.#options = options;
    this.#authenticate = listening.authenticate;
    this.#warn = warn;
    this.#admission = new Admission(runtime, options);
    this.#arrivals = new Mailbox(runtime);
    setMaxListeners(0, this.#closing.signal); // one for each token that is looked at
    this.links$ = this.#arrivals.taken$;
    const frameBytesMax = listening.frameBytesMax ?? FRAME_BYTES_MAX;
    this.#settings = {
      ...linkSettingsOf(options),
      frameBytesMax,
      rates: {
        framesPerSecondMax: options.framesPerSecondMax ?? 200_000,
        bytesPerSecondMax: options.bytesPerSecondMax ?? 1024 ** 3,
      },
    };
    const common = { noServer: true, clientTracking: false, perMessageDeflate: false, closeTimeout: CLOSE_MAX_MS };
    this.#upgrades = new WebSocketServer({
      ...common,
      maxPayload: frameBytesMax,
      maxFragments: fragmentsMax(frameBytesMax),
      handleProtocols: () => SUBPROTOCOL,
    });
    this.#refusals = new WebSocketServer({ ...common, maxPayload: 125, handleProtocols: () => SUBPROTOCOL_REFUSAL });

    server.maxConnections = this.#admission.linksMax + HANDSHAKES_MAX;
    server.on("connection", (socket) => {
      survivesErrors(socket);
      const leave = this.#admission.socket(socket.remoteAddress ?? "");
      if (leave === null) {
        socket.destroy();
        return;
      }
      this.#sockets.add(socket);
      socket.on("close", () => {
        leave();
        this.#sockets.delete(socket);
      });
    });
    // From the first byte (over TLS: from the end of its handshake,
    // which has a deadline of its own) to the upgrade, however slowly it comes.
    server.on(options.tls === undefined ? "connection" : "secureConnection", (socket: Duplex) => {
      survivesErrors(socket);
      const timer = runtime.setTimeout(() => socket.destroy(), handshakeMs);
      const stop = () => runtime.clearTimeout(timer);
      this.#handshakes.set(socket, stop);
      socket.on("close", () => {
        stop();
        this.#handshakes.delete(socket);
      });
    });
    server.on("request", (_request, response) => {
      response.writeHead(426, { connection: "close", upgrade: "websocket", "content-type": "text/plain" });
      response.end(
        `This is a Seriatim listener: it takes WebSocket connections of the subprotocol "${SUBPROTOCOL}".\n`,
      );
    });
    server.on("upgrade", (request, socket, head) => {
      survivesErrors(socket);
      this.#upgrade(request, socket as Connection, head).catch(() => socket.destroy());
    });
  }

  async #upgrade(request: IncomingMessage, socket: Connection, head: Buffer): Promise<void> {
    this.#handshakes.get(socket)?.(); // the request is complete: from here on the authenticator's deadline counts
    const offered = (request.headers["sec-websocket-protocol"] ?? "").split(",").map((entry) => entry.trim());
    const address = this.#addressOf(request, socket);
    const remote = proxiesOf(this.#options) > 0 ? address : `${address}:${socket.remotePort ?? 0}`;
    let leave: (() => void) | null = null;
    try {
      this.#check(request, offered);
      const admitted = this.#admission.link(address);
      if (typeof admitted === "string") throw new Refusal("LIMIT_EXCEEDED", admitted);
      leave = admitted;
      socket.on("close", leave);
      const principal = await this.#identify(tokenOf(request, offered), socket, address);
      if (socket.destroyed) return leave();
      const counted = this.#admission.principal(principal.id, address);
      if (typeof counted === "string") throw new Refusal("LIMIT_EXCEEDED", counted);
      socket.on("close", counted);
      this.#upgrades.handleUpgrade(request, socket, head, (webSocket) => {
        this.#open(webSocket, socket, { principal, remote });
      });
    } catch (error) {
      leave?.();
      const refusal = error instanceof Refusal ? error : new Refusal("UNAVAILABLE", "the link could not be opened");
      if (!(error instanceof Refusal)) this.#warn(refusal.text, { remote, error: textOf(error) });
      this.#refuse(refusal, request, socket, head, offered);
    }
  }

  #check({ method, headers }: IncomingMessage, offered: readonly string[]): void {
    if (
      method !== "GET" ||
      headers.upgrade?.toLowerCase() !== "websocket" ||
      headers["sec-websocket-version"] !== "13" ||
      !KEY.test(headers["sec-websocket-key"] ?? "")
    )
      throw new Refusal("PROTOCOL_VIOLATION", "not a WebSocket upgrade (RFC 6455, version 13)");
    if (this.#closing.signal.aborted) throw SHUTTING_DOWN;
    if (!offered.includes(SUBPROTOCOL))
      throw new Refusal("VERSION_UNSUPPORTED", `this listener speaks the subprotocol "${SUBPROTOCOL}" only`);
    const { origin } = headers;
    if (origin !== undefined && !(this.#options.origins ?? []).includes(origin))
      throw new Refusal("FORBIDDEN", `the origin ${JSON.stringify(origin.slice(0, 100))} is not listed`);
  }

  /** Who it is; asks no longer than the deadline, the socket and the listener last. */
  async #identify(token: string | null, socket: Duplex, address: string): Promise<Principal> {
    const timeoutMs = this.#options.authenticateTimeoutMs ?? 5_000;
    const answered = this.#admission.asking(address, timeoutMs);
    if (typeof answered === "string") throw new Refusal("LIMIT_EXCEEDED", answered);
    const asking = new AbortController();
    const timer = this.#runtime.setTimeout(
      () => asking.abort(new Refusal("UNAVAILABLE", `no answer on the token after ${timeoutMs} ms`)),
      timeoutMs,
    );
    const gone = () => asking.abort(new Refusal("UNAVAILABLE", "the peer has gone"));
    const closing = () => asking.abort(SHUTTING_DOWN);
    socket.once("close", gone);
    // Only a socket that is read notices that its peer has left; what comes too early stays in its buffer for the link.
    const look = () => {
      if (socket.readableLength === 0) socket.read(0);
    };
    const left = () => socket.destroy();
    socket.on("readable", look);
    socket.once("end", left);
    this.#closing.signal.addEventListener("abort", closing, { once: true });
    try {
      const stopped = new Promise<never>((_, reject) => {
        asking.signal.addEventListener("abort", () => reject(asking.signal.reason), { once: true });
      });
      const principal = await Promise.race([this.#ask(token, asking.signal).finally(answered), stopped]);
      if (principal === null) throw new Refusal("UNAUTHENTICATED", "the token was refused");
      return principal;
    } finally {
      this.#runtime.clearTimeout(timer);
      socket.off("close", gone);
      socket.off("readable", look);
      socket.off("end", left);
      this.#closing.signal.removeEventListener("abort", closing);
    }
  }
  async #ask(token: string | null, signal: AbortSignal): Promise<Principal | null> {
    try {
      return await this.#authenticate(token, signal);
    } catch (error) {
      signal.throwIfAborted();
      this.#warn("the authenticator failed", { error: textOf(error) });
      throw new Refusal("UNAVAILABLE", tokenUnchecked(error));
    }
  }

  #open(webSocket: WebSocket, socket: Connection, from: { principal: Principal; remote: string }): void {
    survivesErrors(webSocket);
    this.#handshakes.delete(socket);
    const below = new NodeSocket(webSocket, socket);
    const link = new IncomingWsLink(this.#runtime, below, this.#settings, from);
    below.tell(link);
    this.#links.add(link);
    void link.ended.then(() => this.#links.delete(link));
    this.#arrivals.put(link);
  }

  #refuse(refusal: Refusal, request: IncomingMessage, socket: Duplex, head: Buffer, offered: readonly string[]): void {
    if (socket.destroyed) return;
    const { status, closeCode } = REFUSALS[refusal.code];
    const timer = this.#runtime.setTimeout(() => socket.destroy(), REFUSAL_MS);
    socket.on("close", () => this.#runtime.clearTimeout(timer));
    if (refusal.code !== "PROTOCOL_VIOLATION" && offered.includes(SUBPROTOCOL_REFUSAL)) {
      this.#refusals.handleUpgrade(request, socket, head, (webSocket) => {
        survivesErrors(webSocket);
        webSocket.close(closeCode, clipReason(refusal.text));
      });
      return;
    }
    const lines = [
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
      "Connection: close",
      "Content-Type: text/plain; charset=utf-8",
      `Content-Length: ${Buffer.byteLength(refusal.text)}`,
      `${ERROR_HEADER}: ${refusal.code}`,
      ...(status === 401 ? ["WWW-Authenticate: Bearer"] : []),
      ...(status === 426 ? ["Upgrade: websocket", `Sec-WebSocket-Protocol: ${SUBPROTOCOL}`] : []),
      ...(status === 400 ? ["Sec-WebSocket-Version: 13"] : []),
    ];
    socket.once("finish", () => socket.destroy());
    socket.end(`${lines.join("\r\n")}\r\n\r\n${refusal.text}`);
  }

  #addressOf(request: IncomingMessage, socket: Connection): string {
    const direct = plainAddress(socket.remoteAddress ?? "unknown");
    const proxies = proxiesOf(this.#options);
    const forwarded = forwardedAddress(request.headers["x-forwarded-for"], Math.max(1, proxies));
    if (forwarded !== null && proxies === 0 && isLoopback(direct))
      this.#warnOnce(
        'a request from this machine tells of another address: if a proxy is in front, set "behindProxy", or all of its clients count as this machine, without limits of one address',
      );
    if (forwarded === null && proxies > 0 && !isLoopback(direct))
      this.#warnOnce(
        'a request without X-Forwarded-For came from another machine: either the proxy does not add it, or somebody came past the proxy, which "behindProxy" must not allow',
      );
    return (proxies > 0 ? forwarded : null) ?? direct;
  }
  /** Told by each request, it would be the peer's to fill the log. */
  #warnOnce(text: string): void {
    if (this.#warned.has(text)) return;
    this.#warned.add(text);
    this.#warn(text, { address: this.address });
  }

  async close({ links = false }: { readonly links?: boolean } = {}): Promise<void> {
    this.#closed ??= this.#stopAccepting();
    await this.#closed;
    if (!links) return;
    const open = [...this.#links];
    for (const link of open) link.close("unavailable", "the listener has closed");
    await Promise.all(open.map((link) => link.ended));
    for (const socket of this.#sockets) socket.destroy();
  }
  async #stopAccepting(): Promise<void> {
    this.#closing.abort();
    this.#server.close();
    this.#arrivals.close();
    // Those that were being asked about have been told in the turn before; the rest had not come so far.
    await new Promise<void>((resolve) => this.#runtime.setTimeout(resolve, 0));
    for (const [socket, stop] of this.#handshakes) {
      stop();
      if (!socket.writableEnded) socket.destroy();
    }
  }
  [Symbol.asyncDispose](): Promise<void> {
    return this.close({ links: true });
  }
}
const SHUTTING_DOWN = new Refusal("UNAVAILABLE", "the listener is closing");

/** The token a request carries: in the header, or, from where there are no headers, among the subprotocols. */
function tokenOf({ headers }: IncomingMessage, offered: readonly string[]): string | null {
  const bearer = /^Bearer ([\x21-\x7e]+)$/i.exec(headers.authorization ?? "");
  return bearer?.[1] ?? tokenFromEntries(offered);
}
