import { createBroker } from "@seriatim/actors";
import { lmdbStore } from "@seriatim/store-lmdb";
import { eventsTopic } from "./events-topic.ts";
import type { RoleSetting, RunningBroker } from "./roles.ts";

/** The one broker: it keeps the queues in `dataPath` and hands them out. */
export async function startBroker(at: RoleSetting & { readonly dataPath: string }): Promise<RunningBroker> {
  const { settings, history } = at;
  const broker = await createBroker({
    name: at.name,
    topics: [eventsTopic(settings)],
    modules: [...at.modules, lmdbStore({ path: at.dataPath })],
    heartbeatMs: settings.leaseTtlMs / 3,
  });
  history.record({ type: "start", role: "broker", topics: [settings.topic], groups: [settings.group] });
  return {
    async close(options) {
      await broker.close(options);
      history.end();
    },
  };
}
