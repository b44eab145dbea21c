import { setTimeout as sleep } from "node:timers/promises";

/** What a process uses, in bytes. */
export interface Memory {
  /** On the JavaScript heap and outside it (`external`, which includes what array buffers hold). */
  readonly heap: number;
  readonly rss: number;
}
const COLLECTIONS = 4;

/**
 * What is still in use once all that can be collected has been. The process must have been started with `--expose-gc`.
 */
export async function collectedMemory(): Promise<Memory> {
  if (globalThis.gc === undefined) throw new Error("start this process with --expose-gc");
  for (let n = 0; n < COLLECTIONS; n++) {
    globalThis.gc(); // what finalizers let go of is collected by a later one
    await sleep(40);
  }
  const { heapUsed, external, rss } = process.memoryUsage();
  return { heap: heapUsed + external, rss };
}
