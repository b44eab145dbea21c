import { createBroker } from "@seriatim/actors";
import type { HistoryWriter } from "@seriatim/rig";
import { lmdbStore } from "@seriatim/store-lmdb";
import { wsTransport } from "@seriatim/transport-ws";
import type { ChildSpec } from "./child-messages.ts";
import { PING_MS } from "./connect.ts";
import { BROKER, chaosTopic, GROUPS } from "./settings.ts";

/** The one broker: it keeps the queues in its data folder and hands them out. */
export async function startBroker(
  { settings, port, dataPath }: ChildSpec,
  history: HistoryWriter,
): Promise<{ close(options: { readonly timeoutMs: number }): Promise<void> }> {
  const { topic, leaseTtlMs, storeBytesMax } = settings;
  const store = lmdbStore({ path: dataPath, ...(storeBytesMax === null ? {} : { bytesMax: storeBytesMax }) });
  const broker = await createBroker({
    name: BROKER,
    topics: [chaosTopic(settings)],
    modules: [wsTransport({ port, pingMs: PING_MS }), store],
    heartbeatMs: leaseTtlMs / 3,
  });
  history.record({ type: "start", role: "broker", topics: [topic], groups: GROUPS.map(({ name }) => name) });
  return {
    async close(options) {
      await broker.close(options);
      history.end();
    },
  };
}
