import { type Runtime, systemRuntime, type Transport } from "@seriatim/actors/client";
import { dialling } from "./dial.ts";
import { checkOptions, type WsDialOptions } from "./options.ts";

export type { WsDialOptions, WsLinkOptions } from "./options.ts";
export type { WebSocketConstructor, WebSocketLike } from "./platform-socket.ts";

/**
 * Links to a listening side over WebSocket, for browsers and other small clients: dials only.
 * In Node it uses `ws`, elsewhere the platform's own WebSocket.
 * @throws `OPTION_INVALID`
 */
export function wsClientTransport(options: WsDialOptions, runtime: Runtime = systemRuntime()): Transport {
  checkOptions(options);
  return dialling(runtime, options);
}
