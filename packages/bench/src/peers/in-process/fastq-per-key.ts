import { promise } from "fastq";
import { readBody } from "../../frame/message.ts";
import type { System } from "../../frame/system.ts";

/** A fastq of concurrency 1 for each key. */
export const fastqPerKey: System = {
  async embedded(load, _at, take) {
    const worker = async (body: Uint8Array): Promise<void> => take(readBody(body));
    const lanes = Array.from({ length: load.keys }, () => promise(worker, 1));
    return {
      sender: {
        send({ key, body, acknowledged, failed }) {
          lanes[key]!.push(body).then(acknowledged, failed);
        },
        close: async () => {},
      },
      receiver: { settled: async () => {}, close: async () => {} },
    };
  },
};
