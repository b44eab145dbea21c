import type { ClientRequest } from "node:http";
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import {
  type DialOptions,
  isMessagingError,
  type Link,
  MessagingError,
  type Runtime,
  type Transport,
} from "@seriatim/actors/client";
import { NodeSocket } from "./node-socket.ts";
import { backoffOf, linkSettingsOf, urlsOf, type WsDialOptions, type WsLinkOptions } from "./options.ts";
import { PlatformSocket, type WebSocketConstructor } from "./platform-socket.ts";
import {
  ERROR_HEADER,
  redacted,
  refusalOfCloseCode,
  refusalOfStatus,
  SUBPROTOCOL,
  SUBPROTOCOL_REFUSAL,
  tokenToEntry,
} from "./wire.ts";
import { CLOSE_MAX_MS, type LinkSettings, WsLink } from "./ws-link.ts";

const FRAME_BYTES_MAX = 4 * 1024 * 1024;
/** Time one of several URLs gets, in ms; a single one gets as long as the caller waits. */
const URL_TIMEOUT_MS = 5_000;
/** Fragments one message may come in: browsers send large ones in pieces of 64 KiB and more. */
export const fragmentsMax = (frameBytesMax: number): number => Math.max(1_024, Math.ceil(frameBytesMax / 4_096));

export interface DialSettings extends WsLinkOptions {
  readonly tls?:
    | {
        readonly ca?: string | Uint8Array | undefined;
        /** The only certificate to take (DER), instead of those of authorities. Node only. */
        readonly pinned?: Uint8Array | undefined;
      }
    | undefined;
  readonly WebSocket?: WebSocketConstructor | undefined;
}

/** Dials one URL of several, beginning with the one that worked last. */
export class Dialler {
  readonly #runtime: Runtime;
  readonly #settings: DialSettings;
  readonly #urls: readonly string[];
  #next = 0;
  constructor(runtime: Runtime, urls: readonly string[], settings: DialSettings) {
    this.#runtime = runtime;
    this.#urls = urls;
    this.#settings = settings;
  }
  async dial(options: DialOptions): Promise<Link> {
    options.signal.throwIfAborted();
    const urls = [...this.#urls.slice(this.#next), ...this.#urls.slice(0, this.#next)];
    const failures: MessagingError[] = [];
    for (const url of urls) {
      try {
        const link = await (urls.length === 1 ? this.#dialOne(url, options) : this.#dialInTime(url, options));
        this.#next = this.#urls.indexOf(url);
        return link;
      } catch (error) {
        options.signal.throwIfAborted();
        if (!isMessagingError(error)) throw error;
        failures.push(error);
      }
    }
    if (failures.length === 1) throw failures[0];
    // As long as one of them can still become reachable, trying again can help.
    const worst = failures.find((failure) => failure.retryable) ?? (failures[0] as MessagingError);
    const each = failures.map((failure) => failure.message).join("; ");
    throw new MessagingError(worst.code, `none of ${urls.length} URLs took the link: ${each}`, { cause: worst });
  }
  async #dialInTime(url: string, options: DialOptions): Promise<Link> {
    const controller = new AbortController();
    const giveUp = () => controller.abort(options.signal.reason);
    options.signal.addEventListener("abort", giveUp, { once: true });
    const timer = this.#runtime.setTimeout(
      () =>
        controller.abort(new MessagingError("UNAVAILABLE", `${redacted(url)}: no answer after ${URL_TIMEOUT_MS} ms`)),
      URL_TIMEOUT_MS,
    );
    try {
      return await this.#dialOne(url, { ...options, signal: controller.signal });
    } finally {
      this.#runtime.clearTimeout(timer);
      options.signal.removeEventListener("abort", giveUp);
    }
  }
  async #dialOne(url: string, options: DialOptions): Promise<Link> {
    const settings: LinkSettings = {
      ...linkSettingsOf(this.#settings),
      frameBytesMax: options.frameBytesMax ?? FRAME_BYTES_MAX,
    };
    const platform = this.#settings.WebSocket;
    if (platform !== undefined) return dialPlatform(this.#runtime, platform, url, options, settings);
    const ws = isNode() ? await import("ws").catch(() => null) : null;
    options.signal.throwIfAborted();
    if (ws !== null) return dialNode(this.#runtime, ws.WebSocket, url, options, settings, this.#settings.tls);
    if (typeof globalThis.WebSocket !== "function")
      throw new MessagingError(
        "MODULE_MISSING",
        'there is no WebSocket here: install "ws", or pass one as the option "WebSocket"',
      );
    return dialPlatform(this.#runtime, globalThis.WebSocket, url, options, settings);
  }
}

/** Node itself, not one of those that look like it. */
function isNode(): boolean {
  const { process, Deno, Bun } = globalThis as {
    readonly process?: { readonly versions?: { readonly node?: string } };
    readonly Deno?: unknown;
    readonly Bun?: unknown;
  };
  return Deno === undefined && Bun === undefined && typeof process?.versions?.node === "string";
}

/** A transport that only dials. */
export function dialling(runtime: Runtime, options: WsDialOptions): Transport {
  const dialler = new Dialler(runtime, urlsOf(options), options);
  return { dial: (dialOptions) => dialler.dial(dialOptions), backoff: backoffOf(options) };
}

/** What a header can carry as it is. */
const HEADER_SAFE = /^[\x21-\x7e]+$/;

function dialNode(
  runtime: Runtime,
  WebSocket: typeof import("ws").WebSocket,
  url: string,
  { token, signal }: DialOptions,
  settings: LinkSettings,
  tls: DialSettings["tls"],
): Promise<Link> {
  return new Promise((resolve, reject) => {
    const inHeader = token !== null && HEADER_SAFE.test(token);
    const wsOptions = {
      headers: inHeader ? { authorization: `Bearer ${token}` } : {},
      maxPayload: settings.frameBytesMax,
      maxFragments: fragmentsMax(settings.frameBytesMax),
      perMessageDeflate: false,
      closeTimeout: CLOSE_MAX_MS,
      ...(tls?.ca === undefined ? {} : { ca: tls.ca as string | Buffer }),
      ...(tls?.pinned === undefined ? {} : { rejectUnauthorized: false, finishRequest: onlyTo(tls.pinned) }),
    };
    const entries = token === null || inHeader ? [] : [tokenToEntry(token)];
    const socket = new WebSocket(url, [SUBPROTOCOL, ...entries], wsOptions);
    let otherVersion = false;
    const refuse = (error: unknown) => {
      signal.removeEventListener("abort", abort);
      reject(error);
    };
    const abort = () => {
      refuse(signal.reason);
      socket.terminate();
    };
    socket.on("error", (error: NodeJS.ErrnoException) => {
      if (otherVersion) return refuse(versionUnsupported(url));
      const why = error.message || error.code || String(error); // a failed dial of a name with several addresses has no message
      refuse(new MessagingError("UNAVAILABLE", `${redacted(url)}: ${why}`, { cause: error }));
    });
    signal.addEventListener("abort", abort, { once: true });
    socket.on("unexpected-response", (request, response) => {
      const code = refusalOfStatus(response.statusCode ?? 0, response.headers[ERROR_HEADER]);
      let text = "";
      const tell = () => {
        refuse(
          new MessagingError(code, `${redacted(url)}: ${text || `answered with HTTP status ${response.statusCode}`}`),
        );
        request.destroy();
      };
      if (response.headers[ERROR_HEADER] === undefined) return tell();
      response.setEncoding("utf8");
      response.on("data", (part: string) => {
        text += part;
        if (text.length > 1_024) tell();
      });
      response.on("end", tell);
      response.on("error", tell);
      response.on("close", tell);
    });
    socket.on("upgrade", (response) => {
      otherVersion = response.headers["sec-websocket-protocol"] !== SUBPROTOCOL;
      const connection = response.socket;
      socket.on("open", () => {
        signal.removeEventListener("abort", abort);
        const below = new NodeSocket(socket, connection);
        const link = new WsLink(runtime, below, settings);
        below.tell(link);
        resolve(link);
      });
    });
  });
}

/**
 * Sends the request, which may carry a token,
 * once the peer has shown to be the one with this certificate, and not at all else.
 */
function onlyTo(certificate: Uint8Array): (request: ClientRequest) => void {
  return (request) =>
    request.once("socket", (socket: Socket) =>
      socket.once("secureConnect", () => {
        const shown = (socket as TLSSocket).getPeerX509Certificate()?.raw;
        if (shown?.equals(certificate) === true) request.end();
        else
          request.destroy(new Error("another certificate than that of our own listener: somebody else has its port"));
      }),
    );
}

function dialPlatform(
  runtime: Runtime,
  WebSocket: WebSocketConstructor,
  url: string,
  { token, signal }: DialOptions,
  settings: LinkSettings,
): Promise<Link> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url, [
      SUBPROTOCOL,
      SUBPROTOCOL_REFUSAL,
      ...(token === null ? [] : [tokenToEntry(token)]),
    ]);
    socket.binaryType = "arraybuffer";
    let open = false;
    const abort = () => {
      reject(signal.reason);
      socket.close();
    };
    signal.addEventListener("abort", abort, { once: true });
    socket.addEventListener("error", () => {}); // says nothing; `close` follows
    socket.addEventListener("close", ({ code, reason }: { readonly code: number; readonly reason: string }) => {
      signal.removeEventListener("abort", abort);
      if (open) return;
      const text = reason || "no connection (a platform's WebSocket is not told why)";
      reject(new MessagingError(refusalOfCloseCode(code), `${redacted(url)}: ${text}`));
    });
    socket.addEventListener("open", () => {
      if (socket.protocol === SUBPROTOCOL_REFUSAL) return; // the close code will say why
      signal.removeEventListener("abort", abort);
      if (signal.aborted) return;
      open = true;
      if (socket.protocol !== SUBPROTOCOL) {
        socket.close();
        return reject(versionUnsupported(url));
      }
      const below = new PlatformSocket(runtime, socket);
      const link = new WsLink(runtime, below, settings);
      below.tell(link);
      resolve(link);
    });
  });
}

const versionUnsupported = (url: string) =>
  new MessagingError("VERSION_UNSUPPORTED", `${redacted(url)} does not speak "${SUBPROTOCOL}"`);
