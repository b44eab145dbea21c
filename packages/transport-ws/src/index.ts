import { provide, tokens } from "@seriatim/actors";
import { checkOptions, type WsDialOptions, type WsListenOptions } from "./options.ts";
import { createWsTransport } from "./ws-transport.ts";

export type { WsDialOptions, WsLinkOptions, WsListenOptions } from "./options.ts";
export type { WebSocketConstructor, WebSocketLike } from "./platform-socket.ts";

/**
 * Links over WebSocket. With a `port` it listens, and dials its own listener; with a `url` it dials only.
 * @throws `OPTION_INVALID`
 */
export function wsTransport(options: WsListenOptions | WsDialOptions): ReturnType<typeof provide> {
  checkOptions(options);
  return provide(tokens.transport, (get) =>
    createWsTransport(get(tokens.runtime), options, (text, data) => get(tokens.logger).log("warn", text, data)),
  );
}
