import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MeasuredChild } from "./child-process.ts";
import type { Memory } from "./memory.ts";
import type { SubjectSettings } from "./subjects.ts";

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

/** Starts the processes of one measurement, and ends them whatever happens. */
export class Bench {
  readonly #program: string;
  readonly #children = new Set<MeasuredChild>();
  constructor(program: string) {
    this.#program = program;
  }
  async #start(name: string, settings: Partial<SubjectSettings>): Promise<MeasuredChild> {
    const child = new MeasuredChild(this.#program, name, { ...NOTHING, ...settings });
    this.#children.add(child);
    return child;
  }
  async #end(...children: MeasuredChild[]): Promise<void> {
    for (const child of children) {
      await child.end();
      this.#children.delete(child);
    }
  }
  killAll(): void {
    for (const child of this.#children) child.killNow();
  }

  async queues(store: "memory" | "lmdb", withGroup: boolean): Promise<Resource> {
    const samples: Sample[] = [];
    const looks = QUEUE_SIZES.flatMap((size, index) => Array.from({ length: index + 1 }, () => size));
    for (const size of looks) {
      const dataFolder = await mkdtemp(join(tmpdir(), "seriatim-resources-"));
      try {
        const child = await this.#start("queues", { store, dataFolder, queues: size, withGroup });
        const { before, after, openMs, describeMs } = await child.hear<{
          before: Memory;
          after: Memory;
          openMs: number;
          describeMs: number;
        }>("ready");
        samples.push({ ...more(size, before, after), openMs: Math.round(openMs), describeMs: Math.round(describeMs) });
        await this.#end(child);
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
      const broker = await this.#start("broker", {});
      const { url } = await broker.hear<{ url: string }>("ready");
      const clients = await this.#start("clients", { url });
      await clients.hear("ready");
      await clients.ask("connect", { count: 10 }); // code is compiled
      const before = [await broker.ask<Memory>("memory"), await clients.ask<Memory>("memory")] as const;
      await clients.ask("connect", { count: 10 + size });
      const after = [await broker.ask<Memory>("memory"), await clients.ask<Memory>("memory")] as const;
      atBroker.push(more(size, before[0], after[0]));
      atClients.push(more(size, before[1], after[1]));
      await this.#end(clients, broker);
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
        const broker = await this.#start("broker", { store: "lmdb", dataFolder });
        const { url } = await broker.hear<{ url: string }>("ready");
        const consumer = await this.#start("keys", { url, keys: size });
        await consumer.hear("ready");
        const before = [await broker.ask<Memory>("memory"), await consumer.ask<Memory>("memory")] as const;
        await consumer.ask("fill");
        const after = [await broker.ask<Memory>("memory"), await consumer.ask<Memory>("memory")] as const;
        atBroker.push(more(size, before[0], after[0]));
        atConsumer.push(more(size, before[1], after[1]));
        await this.#end(consumer, broker);
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
