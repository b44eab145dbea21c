import { promise } from "fastq";
import { packBody, readBody } from "../../frame/message.ts";
import type { System } from "../../frame/system.ts";

/** A fastq of concurrency 1 for each key. */
export const fastqPerKey: System = {
  async embedded(load, _at, take) {
    const worker = async (body: Uint8Array): Promise<void> => take(readBody(body));
    const lanes = Array.from({ length: load.keys }, () => promise(worker, 1));
    return {
      sender: {
        send(message, settled) {
          lanes[message.key]!.push(packBody(message, load.bytes)).then(() => settled(), settled);
        },
        close: async () => {},
      },
      receiver: { settled: async () => {}, close: async () => {} },
    };
  },
};
