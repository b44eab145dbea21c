import { type Client, createClient, provide, tokens } from "@seriatim/actors";
import type { HistoryWriter } from "@seriatim/rig";
import { wsTransport } from "@seriatim/transport-ws";
import type { RoundSettings } from "./settings.ts";

/** What a role works with. */
export interface RoleSetting {
  /** Without incarnation: `consumer-2`. */
  readonly name: string;
  readonly settings: RoundSettings;
  readonly history: HistoryWriter;
  readonly port: number;
  /** It cannot go on. */
  readonly failed: (error: unknown) => void;
}
const RETRY_MS = 100;
const CONNECT_TIMEOUT_MS = 4_000;
/** Half-open links are found out within the length of the longer holds, and not within that of the shorter ones. */
export const PING_MS = 1_500;

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** A client, as soon as there is a broker for it. */
export async function untilConnected(
  { name, port, history }: Pick<RoleSetting, "name" | "port" | "history">,
  signal: AbortSignal,
): Promise<Client> {
  for (;;) {
    signal.throwIfAborted();
    try {
      const transport = wsTransport({
        url: `ws://127.0.0.1:${port}`,
        backoff: { initialMs: 50, maxMs: 1_000 },
        pingMs: PING_MS,
      });
      const client = await createClient({
        name,
        connectTimeoutMs: CONNECT_TIMEOUT_MS,
        modules: [transport, provide(tokens.history, () => history)],
      });
      if (!signal.aborted) return client;
      await client.close({ timeoutMs: 0 });
    } catch {
      await sleep(RETRY_MS); // the broker is away
    }
  }
}
