import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Child } from "@seriatim/rig";
import type { Memory } from "./memory.ts";
import type { SubjectOrder, SubjectSettings, SubjectTell } from "./subjects.ts";

/** One size of one thing: what there is more of it in use than without. */
export interface Sample {
  readonly size: number;
  readonly heapBytes: number;
  readonly rssBytes: number;
  readonly openMs?: number;
  readonly describeMs?: number;
}
export interface Resource {
  readonly name: string;
  readonly samples: readonly Sample[];
  /** Heap per unit that is promised, in bytes. */
  readonly goalBytes: number | null;
  /** Time to open and describe the largest size, ms, that is promised. */
  readonly goalMs: number | null;
}
const NOTHING: SubjectSettings = { store: "memory", dataFolder: "", queues: 0, withGroup: false, url: "", keys: 0 };
const IDLE_QUEUE_BYTES = 5_000;
const IDLE_CONNECTION_BYTES = 20_000;
const OPEN_10_000_MS = 2_000;
/** Far beyond what any of them takes. */
const HANGS_MS = 120_000;
const QUEUE_SIZES = [10, 1_000, 10_000];
const CONNECTION_SIZES = [100, 400, 1_000];
const KEY_SIZES = [500, 2_000, 8_000];

const more = (size: number, before: Memory, after: Memory): Sample => ({
  size,
  heapBytes: after.heap - before.heap,
  rssBytes: after.rss - before.rss,
});

/** Of each size the look that took least: whatever else runs on the machine only adds. */
function quickest(samples: readonly Sample[]): Sample[] {
  const bySize = new Map<number, Sample>();
  const ms = ({ openMs = 0, describeMs = 0 }: Sample) => openMs + describeMs;
  for (const sample of samples) {
    const known = bySize.get(sample.size);
    if (known === undefined || ms(sample) < ms(known)) bySize.set(sample.size, sample);
  }
  return [...bySize.values()];
}

type Subject = Child<SubjectOrder, SubjectTell>;
const memoryOf = (subject: Subject): Promise<Memory> => subject.ask({ type: "memory" }, "memory", HANGS_MS);
async function end(...subjects: Subject[]): Promise<void> {
  for (const subject of subjects) await subject.end();
}

/** The processes of one measurement. */
export class Bench {
  readonly #program: string;
  constructor(program: string) {
    this.#program = program;
  }
  #start(name: string, settings: Partial<SubjectSettings>): Subject {
    const spec = { ...NOTHING, ...settings };
    return new Child({ name, program: this.#program, args: ["child", name], execArgv: ["--expose-gc"], spec });
  }

  async queues(store: "memory" | "lmdb", withGroup: boolean): Promise<Resource> {
    const samples: Sample[] = [];
    const looks = QUEUE_SIZES.flatMap((size, index) => Array.from({ length: index + 1 }, () => size));
    for (const size of looks) {
      const dataFolder = await mkdtemp(join(tmpdir(), "seriatim-resources-"));
      try {
        const child = this.#start("queues", { store, dataFolder, queues: size, withGroup });
        const { opened } = await child.hear("ready", HANGS_MS);
        if (opened === undefined) throw new Error("the queues process did not say what its queues take");
        const { before, after, openMs, describeMs } = opened;
        samples.push({ ...more(size, before, after), openMs: Math.round(openMs), describeMs: Math.round(describeMs) });
        await end(child);
      } finally {
        await rm(dataFolder, { recursive: true, force: true });
      }
    }
    const name = `idle queue${withGroup ? " with one group" : ""}, ${store === "lmdb" ? "LMDB" : "memory"} store`;
    return { name, samples: quickest(samples), goalBytes: IDLE_QUEUE_BYTES, goalMs: OPEN_10_000_MS };
  }

  /** At the broker, and in the process of the clients. */
  async connections(): Promise<Resource[]> {
    const atBroker: Sample[] = [];
    const atClients: Sample[] = [];
    for (const size of CONNECTION_SIZES) {
      const broker = this.#start("broker", {});
      const { url = "" } = await broker.hear("ready", HANGS_MS);
      const clients = this.#start("clients", { url });
      await clients.hear("ready", HANGS_MS);
      await clients.ask({ type: "connect", count: 10 }, "connect", HANGS_MS); // code is compiled
      const before = [await memoryOf(broker), await memoryOf(clients)] as const;
      await clients.ask({ type: "connect", count: 10 + size }, "connect", HANGS_MS);
      const after = [await memoryOf(broker), await memoryOf(clients)] as const;
      atBroker.push(more(size, before[0], after[0]));
      atClients.push(more(size, before[1], after[1]));
      await end(clients, broker);
    }
    return [
      { name: "idle connection, at the broker", samples: atBroker, goalBytes: IDLE_CONNECTION_BYTES, goalMs: null },
      { name: "idle client", samples: atClients, goalBytes: null, goalMs: null },
    ];
  }

  /** One handler running for each key; the broker has the messages in its tail as well. */
  async keys(): Promise<Resource[]> {
    const atBroker: Sample[] = [];
    const atConsumer: Sample[] = [];
    for (const size of KEY_SIZES) {
      const dataFolder = await mkdtemp(join(tmpdir(), "seriatim-resources-"));
      try {
        const broker = this.#start("broker", { store: "lmdb", dataFolder });
        const { url = "" } = await broker.hear("ready", HANGS_MS);
        const consumer = this.#start("keys", { url, keys: size });
        await consumer.hear("ready", HANGS_MS);
        const before = [await memoryOf(broker), await memoryOf(consumer)] as const;
        await consumer.ask({ type: "fill" }, "fill", HANGS_MS);
        const after = [await memoryOf(broker), await memoryOf(consumer)] as const;
        atBroker.push(more(size, before[0], after[0]));
        atConsumer.push(more(size, before[1], after[1]));
        await end(consumer, broker);
      } finally {
        await rm(dataFolder, { recursive: true, force: true });
      }
    }
    return [
      { name: "key in flight, at the broker", samples: atBroker, goalBytes: null, goalMs: null },
      { name: "key in flight, at the consumer", samples: atConsumer, goalBytes: null, goalMs: null },
    ];
  }
}
