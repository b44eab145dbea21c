import type { LinkCode, Runtime } from "@seriatim/actors/client";
import { CLOSE_CODES, clipReason } from "./wire.ts";
import type { Socket, WsLink } from "./ws-link.ts";

/** What this package needs of a platform's WebSocket (browsers, Deno, Bun, Node from 22 on). */
export interface WebSocketLike {
  binaryType: string;
  readonly protocol: string;
  readonly readyState: number;
  readonly bufferedAmount: number;
  send(data: Uint8Array<ArrayBuffer>): void;
  close(code?: number, reason?: string): void;
  // biome-ignore lint/suspicious/noExplicitAny: event types differ between platforms, and `any` fits all of them
  addEventListener(type: "open" | "message" | "error" | "close", listener: (event: any) => void): void;
}
export type WebSocketConstructor = new (url: string, protocols: string[]) => WebSocketLike;

const OPEN = 1;
const CLOSED = 3;

/**
 * A WebSocket of the platform: it can neither ping nor pause nor end at once,
 * so a half-open link is for the protocol above to find.
 */
export class PlatformSocket implements Socket {
  readonly tellsWritten = false;
  readonly #runtime: Runtime;
  readonly #socket: WebSocketLike;
  #link: WsLink | null = null;
  constructor(runtime: Runtime, socket: WebSocketLike) {
    this.#runtime = runtime;
    this.#socket = socket;
  }
  get bufferedAmount(): number {
    return this.#socket.bufferedAmount;
  }
  send(frame: Uint8Array): void {
    if (this.#socket.readyState === OPEN) this.#socket.send(frame as Uint8Array<ArrayBuffer>);
  }
  close(code: LinkCode, reason: string): void {
    if (this.#socket.readyState === OPEN) this.#socket.close(CLOSE_CODES[code].platform, clipReason(reason));
  }
  /** Lets go of the socket: it closes in its own time, unheard. */
  terminate(): void {
    if (this.#socket.readyState < CLOSED) this.#socket.close();
    const link = this.#link;
    this.#link = null;
    this.#runtime.defer(() => link?.onClosed(1006, ""));
  }
  /** Lets the link hear its socket. To be called in the socket's `open` event, before frames can come. */
  tell(link: WsLink): void {
    this.#link = link;
    const socket = this.#socket;
    socket.addEventListener("message", ({ data }: { readonly data: unknown }) => {
      if (data instanceof ArrayBuffer) this.#link?.onFrame(new Uint8Array(data));
      else this.#link?.onText();
    });
    socket.addEventListener("close", ({ code, reason }: { readonly code: number; readonly reason: string }) => {
      this.#link?.onClosed(code, reason);
    });
  }
}
