import { X509Certificate } from "node:crypto";
import { type Link, MessagingError, type Runtime, type Transport } from "@seriatim/actors/client";
import { Dialler, dialling } from "./dial.ts";
import { backoffOf, type WsDialOptions, type WsListenOptions } from "./options.ts";
import { listen } from "./server.ts";

type Log = (text: string, data: object) => void;

/** A side that listens, or one that only dials. `options` have been checked. */
export function createWsTransport(runtime: Runtime, options: WsListenOptions | WsDialOptions, log: Log): Transport {
  return options.port === undefined ? dialling(runtime, options) : listening(runtime, options, log);
}

function listening(runtime: Runtime, options: WsListenOptions, log: Log): Transport {
  const warn: Log = (text, data) => {
    try {
      (options.onWarning ?? log)(text, data);
    } catch {
      // A warning that cannot be told, for want of a logger or in a broken one, must not end what it warns of.
    }
  };
  let own: Dialler | null = null;
  return {
    async listen(listenOptions) {
      const listener = await listen(runtime, options, listenOptions, warn);
      const { tls } = options;
      // Its own certificate, whoever signed it and whatever it names, and no other one:
      // another process may have the port by now.
      const pinned = tls === undefined ? undefined : new X509Certificate(tls.cert as string | Buffer).raw;
      own = new Dialler(runtime, [listener.address], { ...options, tls: { pinned } });
      return listener;
    },
    async dial(dialOptions): Promise<Link> {
      if (own === null) throw new MessagingError("UNAVAILABLE", `port ${options.port} is not listened on yet`);
      return own.dial(dialOptions);
    },
    backoff: backoffOf(options),
  };
}
