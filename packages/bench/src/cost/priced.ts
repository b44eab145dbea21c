import { auth, createBroker, memoryStore } from "@seriatim/actors";
import { wsTransport } from "@seriatim/transport-ws";
import type { System } from "../frame/system.ts";
import { attacking } from "./attack.ts";
import { APPENDED, JOBS, LOOSE, ONE } from "./topics.ts";

/** A broker on a store in memory: `worker` may do everything, `stranger` nothing. */
export const priced: System = {
  async serve(_load, at) {
    const broker = await createBroker({
      topics: [JOBS, ONE, LOOSE, APPENDED],
      modules: [
        wsTransport({ port: Number(at.address) }),
        memoryStore(),
        auth({
          authenticate: async (token) => (token === null ? null : { id: token }),
          authorize: ({ id }) => id === "worker",
        }),
      ],
    });
    return { address: broker.address, close: () => broker.close() };
  },
  attacker: attacking,
};
