import PQueue from "p-queue";
import { readBody } from "../../frame/message.ts";
import type { System } from "../../frame/system.ts";

/** A p-queue of concurrency 1 for each key. */
export const pQueuePerKey: System = {
  async embedded(load, _at, take) {
    const lanes = Array.from({ length: load.keys }, () => new PQueue({ concurrency: 1 }));
    return {
      sender: {
        send({ key, body, acknowledged, failed }) {
          lanes[key]!.add(async () => take(readBody(body))).then(acknowledged, failed);
        },
        close: async () => {},
      },
      receiver: { settled: async () => {}, close: async () => {} },
    };
  },
};
