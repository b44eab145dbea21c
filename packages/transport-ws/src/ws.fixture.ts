import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import {
  type DialOptions,
  type IncomingLink,
  type Link,
  type Listener,
  type ListenOptions,
  type Runtime,
  systemRuntime,
  type Transport,
} from "@seriatim/actors/client";
import { type ClientOptions, WebSocket } from "ws";
import { checkOptions, type WsDialOptions, type WsListenOptions } from "./options.ts";
import { createWsTransport } from "./ws-transport.ts";

/** What `wsTransport(options)` binds. `logged` gets what it warns of. */
export function transportOf(
  options: WsListenOptions | WsDialOptions,
  logged: string[] = [],
  runtime = systemRuntime(),
): Transport {
  checkOptions(options);
  return createWsTransport(runtime, options, (text) => void logged.push(text));
}

/**
 * The platform's runtime with a clock that a test moves:
 * how long something took is then no matter of how busy the machine is.
 */
export class HandClock {
  readonly runtime: Runtime;
  readonly #timers = new Map<unknown, { readonly at: number; readonly run: () => void }>();
  #now = 0;
  constructor() {
    const platform = systemRuntime();
    this.runtime = {
      ...platform,
      now: () => this.#now,
      setTimeout: (run, ms) => {
        if (ms <= 0) return platform.setTimeout(run, 0); // a turn of the event loop, no time
        const id = Symbol();
        this.#timers.set(id, { at: this.#now + ms, run });
        return id;
      },
      clearTimeout: (id) => {
        if (!this.#timers.delete(id)) platform.clearTimeout(id);
      },
    };
  }
  /** Timers that come due run in their order. */
  advance(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      const due = [...this.#timers].filter(([, { at }]) => at <= end).sort(([, a], [, b]) => a.at - b.at)[0];
      if (due === undefined) break;
      const [id, { at, run }] = due;
      this.#timers.delete(id);
      this.#now = at;
      run();
    }
    this.#now = end;
  }
}

/** TCP sockets and servers of this process. */
export const openSockets = (): number =>
  process.getActiveResourcesInfo().filter((kind) => kind === "TCPSocketWrap" || kind === "TCPServerWrap").length;

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms));
/** So long nothing takes, on the busiest machine: the test fails, and says what it waited for. */
const HANGS_MS = 300_000;
export async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + HANGS_MS;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`waited ${HANGS_MS} ms for ${what}`);
    await sleep(2);
  }
}
export const errorOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => "no rejection",
    (error: unknown) => error,
  );
export const dialOptions = (more: Partial<DialOptions> = {}): DialOptions => ({
  signal: new AbortController().signal,
  token: null,
  ...more,
});

/** An open listener, what it accepted, and everything a test opened against it. Dispose it at the end. */
export class Bench implements AsyncDisposable {
  readonly transport: Transport;
  readonly listener: Listener;
  readonly accepted: IncomingLink[] = [];
  readonly logged: string[];
  readonly asked: (string | null)[];
  onLink: (link: IncomingLink) => void = () => {};
  readonly #others: (() => void)[] = [];
  #handedOut = 0;
  private constructor(transport: Transport, listener: Listener, logged: string[], asked: (string | null)[]) {
    this.transport = transport;
    this.listener = listener;
    this.logged = logged;
    this.asked = asked;
    listener.links$.subscribe((link) => {
      this.accepted.push(link);
      this.onLink(link);
    });
  }
  static async open(
    options: Partial<WsListenOptions> = {},
    listening: Partial<ListenOptions> = {},
    clock?: HandClock,
  ): Promise<Bench> {
    const logged: string[] = [];
    const asked: (string | null)[] = [];
    const transport = transportOf({ port: 0, ...options }, logged, clock?.runtime);
    const listener = (await transport.listen?.({
      authenticate: async (token) => {
        asked.push(token);
        return token === "wrong" ? null : { id: "someone" };
      },
      ...listening,
    })) as Listener;
    return new Bench(transport, listener, logged, asked);
  }
  get url(): string {
    return this.listener.address;
  }
  get port(): number {
    return Number(new URL(this.url).port);
  }
  async pair(more: Partial<DialOptions> = {}): Promise<[Link, IncomingLink]> {
    const dialled = await this.transport.dial(dialOptions(more));
    this.#others.push(() => dialled.abort());
    return [dialled, await this.next()];
  }
  /** The next link at the listening side that has not been asked for. */
  async next(): Promise<IncomingLink> {
    const at = this.#handedOut++;
    await until(() => this.accepted.length > at, "a link at the listening side");
    return this.accepted[at] as IncomingLink;
  }
  /** A foreign client: opens, and does what it likes. */
  async foreign(protocols: string[] = ["seriatim.v1"], options: ClientOptions = {}): Promise<WebSocket> {
    const socket = new WebSocket(this.url, protocols, { perMessageDeflate: false, ...options });
    socket.on("error", () => {});
    this.#others.push(() => socket.terminate());
    await once(socket, "open");
    return socket;
  }
  /** Raw bytes to the listener. */
  raw(text: string | Uint8Array = ""): Raw {
    const raw = new Raw(this.port);
    this.#others.push(() => raw.socket.destroy());
    raw.socket.write(text);
    return raw;
  }
  async [Symbol.asyncDispose](): Promise<void> {
    for (const end of this.#others) end();
    await this.listener[Symbol.asyncDispose]();
  }
}

/** However it ends: `once` fails where an error comes before, as when the other side has closed upon unread bytes. */
export const closed = (socket: Socket): Promise<unknown> => new Promise((resolve) => socket.once("close", resolve));

/** A TCP connection and all it was answered with. */
export class Raw {
  readonly socket: Socket;
  readonly ended: Promise<unknown>;
  #text = "";
  constructor(port: number) {
    this.socket = connect(port, "127.0.0.1");
    this.socket.on("error", () => {});
    this.socket.on("data", (part) => {
      this.#text += part.toString("latin1");
    });
    this.ended = closed(this.socket);
  }
  get text(): string {
    return this.#text;
  }
  get status(): number {
    return Number(/^HTTP\/1\.1 (\d+)/.exec(this.#text)?.[1]);
  }
  header(name: string): string | undefined {
    return new RegExp(`^${name}: (.*)\r$`, "im").exec(this.#text)?.[1];
  }
}

export const upgradeRequest = (headers: Readonly<Record<string, string>> = {}, method = "GET"): string => {
  const all: Record<string, string> = {
    host: "127.0.0.1",
    connection: "Upgrade",
    upgrade: "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    "sec-websocket-protocol": "seriatim.v1",
    ...headers,
  };
  const lines = Object.entries(all).filter(([, value]) => value !== "");
  return `${method} / HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n`;
};

/** A client's frame, as bytes: `first` is the flags and the opcode, the mask is zero. */
export function clientFrame(
  first: number,
  payload: Uint8Array,
  { masked = true, length = payload.length } = {},
): Buffer {
  const mask = masked ? 0x80 : 0;
  const head =
    length < 126
      ? Buffer.from([first, mask | length])
      : length < 65_536
        ? Buffer.from([first, mask | 126, length >> 8, length & 255])
        : Buffer.from([
            first,
            mask | 127,
            0,
            0,
            0,
            0,
            length >>> 24,
            (length >>> 16) & 255,
            (length >>> 8) & 255,
            length & 255,
          ]);
  return Buffer.concat([head, Buffer.alloc(masked ? 4 : 0), payload]);
}

/** Stands between two sides and can fall silent without a goodbye: what was sent is held, not lost. */
export class Tunnel implements AsyncDisposable {
  readonly #server;
  readonly #sockets = new Set<Socket>();
  private constructor(target: number) {
    this.#server = createServer((near) => {
      const far = connect(target, "127.0.0.1");
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#sockets.add(from);
        from.on("error", () => {});
        from.pipe(to);
      }
    });
  }
  static async to(target: number): Promise<Tunnel> {
    const tunnel = new Tunnel(target);
    tunnel.#server.listen(0, "127.0.0.1");
    await once(tunnel.#server, "listening");
    return tunnel;
  }
  get url(): string {
    return `ws://127.0.0.1:${(this.#server.address() as { port: number }).port}`;
  }
  fallSilent(): void {
    for (const socket of this.#sockets) socket.unpipe().pause();
  }
  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }
}
