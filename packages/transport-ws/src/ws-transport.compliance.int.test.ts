import type { Listener, ListenOptions, Transport } from "@seriatim/actors";
import { transportCompliance } from "@seriatim/testing";
import { describe, it } from "vitest";
import { WebSocket } from "ws";
import { certificate } from "./certificate.fixture.ts";
import { wsClientTransport } from "./client.ts";
import type { WsDialOptions, WsListenOptions } from "./index.ts";
import { openSockets, transportOf } from "./ws.fixture.ts";

const fixture = (transport: Transport, more: { browserLike?: boolean } = {}) => ({
  transport,
  openHandles: openSockets,
  async [Symbol.asyncDispose]() {},
  ...more,
});

transportCompliance("ws, dialling its own listener", async () => fixture(transportOf({ port: 0 })), { describe, it });

transportCompliance("ws over TLS", async () => fixture(transportOf({ port: 0, host: "localhost", tls: certificate })), {
  describe,
  it,
});

/** Dials with another transport than it listens with. */
function apart(listen: WsListenOptions, dial: Omit<WsDialOptions, "url">): Transport {
  const listening = transportOf(listen);
  let listener: Listener | null = null;
  let url = "ws://127.0.0.1:1";
  return {
    async listen(options: ListenOptions) {
      listener = (await listening.listen?.(options)) as Listener;
      url = listener.address;
      return listener;
    },
    dial: (options) => wsClientTransport({ ...dial, url }).dial(options),
  };
}

transportCompliance("ws, the client's door", async () => fixture(apart({ port: 0, host: "::1" }, {})), {
  describe,
  it,
});

transportCompliance(
  "ws, a platform's WebSocket",
  async () => fixture(apart({ port: 0 }, { WebSocket }), { browserLike: true }),
  { describe, it },
);
