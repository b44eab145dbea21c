import type { LinkCode } from "@seriatim/actors/client";
import type { RawData, WebSocket } from "ws";
import { CLOSE_CODES, clipReason } from "./wire.ts";
import type { Socket, WsLink } from "./ws-link.ts";

/** `WebSocket.OPEN`, without importing `ws` behind the browser's door. */
const OPEN = 1;
const BINARY = { binary: true } as const;

interface Connection {
  readonly bytesRead: number;
  readonly bytesWritten: number;
  readonly writableLength: number;
}
/** A WebSocket of the `ws` package. `connection` is the TCP or TLS socket below it. */
export class NodeSocket implements Socket {
  readonly #socket: WebSocket;
  #link: WsLink | null = null;
  readonly tellsWritten = true;
  readonly flow: { pause(): void; resume(): void };
  readonly heartbeat: { ping(): void; bytesRead(): number; bytesFlushed(): number };
  constructor(socket: WebSocket, connection: Connection) {
    this.#socket = socket;
    this.flow = { pause: () => socket.pause(), resume: () => socket.resume() };
    this.heartbeat = {
      ping: () => {
        if (socket.readyState === OPEN) socket.ping();
      },
      bytesRead: () => connection.bytesRead,
      bytesFlushed: () => connection.bytesWritten - connection.writableLength,
    };
  }
  get bufferedAmount(): number {
    return this.#socket.bufferedAmount;
  }
  send(frame: Uint8Array): void {
    if (this.#socket.readyState === OPEN) this.#socket.send(frame, BINARY, this.#onWritten);
  }
  close(code: LinkCode, reason: string): void {
    this.#socket.close(CLOSE_CODES[code].standard, clipReason(reason));
  }
  terminate(): void {
    this.#socket.terminate();
  }
  /** Lets the link hear its socket. To be called in the socket's first turn, before frames can come. */
  tell(link: WsLink): void {
    this.#link = link;
    listenTo(this.#socket, link);
  }
  /** One for all frames. */
  readonly #onWritten = (): void => this.#link?.onWritten();
}

/** Whose `error` event nobody listens to ends the process: called before anything else can happen on a new socket. */
export const survivesErrors = (emitter: { on(event: "error", listener: () => void): unknown }): void => {
  emitter.on("error", () => {});
};

function listenTo(socket: WebSocket, link: WsLink): void {
  socket.on("error", (error: NodeJS.ErrnoException) => {
    const { code = "" } = error;
    if (TOO_LARGE.has(code)) link.onRefused("tooLarge", error.message);
    else if (code.startsWith("WS_ERR_")) link.onRefused("violation", error.message);
  });
  socket.on("message", (data: RawData, isBinary: boolean) => {
    if (!isBinary) return link.onText();
    // A Buffer's `slice` shares memory where a Uint8Array's copies: hand on the plain kind.
    const { buffer, byteOffset, byteLength } = data as Buffer;
    link.onFrame(new Uint8Array(buffer, byteOffset, byteLength));
  });
  socket.on("ping", () => link.onControl());
  socket.on("pong", () => link.onControl());
  socket.on("close", (code, reason) => link.onClosed(code, reason.toString()));
}
const TOO_LARGE = new Set(["WS_ERR_UNSUPPORTED_MESSAGE_LENGTH", "WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH"]);
