import { readdirSync } from "node:fs";
import type { Store } from "@seriatim/actors";
import { openLmdbStore } from "@seriatim/store-lmdb";
import { Latencies } from "../frame/latency.ts";
import { nowMs } from "../frame/message.ts";
import type { At, Load, Probed, System } from "../frame/system.ts";

/** The store alone. Variants: "listing" and "moves". */
export const lmdbStoreAlone: System = {
  async probe(load: Load, { folder, variant }: At): Promise<Probed> {
    const store = await openLmdbStore({ path: folder });
    // It is made in the background after the first commit, and used from the commit after that on.
    const hasJournal = () => readdirSync(folder).some((name) => /^journal-.*\d$/.test(name));
    for (let n = 0; n < 2; n += hasJournal() ? 1 : 0)
      await store.writer().commit([{ kind: "remove", key: "none" }]).synced;
    const probed = await (variant === "listing" ? listing(store, load) : moves(store, load));
    await store.close();
    return probed;
  },
};

const PAGE = 100;
/** As many records as the load has messages, put into the journal, and listed page by page. */
async function listing(store: Store, { messages, bytes }: Load): Promise<Probed> {
  const writer = store.writer();
  const value = new Uint8Array(bytes);
  for (let first = 0; first < messages; first += PAGE) {
    const keys = Array.from({ length: Math.min(PAGE, messages - first) }, (_, n) => `strand/${padded(first + n)}`);
    await writer.commit(keys.map((key) => ({ kind: "put", key, value }))).synced;
  }
  const startedMs = nowMs();
  let found = 0;
  for (let after = ""; found < messages; ) {
    const page = await store.list("strand/", { limit: PAGE, ...(after === "" ? {} : { after }) });
    if (page.length === 0) throw new Error(`expected ${messages} records, found ${found}`);
    found += page.length;
    after = page.at(-1)!.key;
  }
  return { figures: { "listed page by page, ms": nowMs() - startedMs } };
}
const padded = (n: number): string => String(n).padStart(8, "0");

/** What a broker commits for messages at a steady rate: from the call of commit until it is flushed. */
async function moves(store: Store, { messages, perSecond, queues, bytes, warmUp }: Load): Promise<Probed> {
  const latencies = new Latencies();
  const [body, producer, cursor] = [new Uint8Array(bytes), new Uint8Array(100), new Uint8Array(80)];
  const logs = Array.from({ length: queues }, (_, n) => ({
    n,
    appends: store.writer(),
    settles: store.writer(),
    end: 0,
  }));
  /** Of each log: a writer's commits stand or fall as a prefix. */
  const last: Promise<void>[] = [];
  const startedMs = nowMs();
  for (let nth = 0; nth < warmUp + messages; nth++) {
    const waitMs = startedMs + (nth * 1000) / perSecond - nowMs();
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
    const log = logs[nth % queues]!;
    const committedMs = nowMs();
    const { flushed, synced } = log.appends.commit([
      { kind: "put", key: `producer/${log.n}`, value: producer },
      { kind: "append", log: `log/${log.n}`, first: log.end++, count: 1, bytes: body },
    ]);
    const settle = (): void => {
      if (nth >= warmUp) latencies.note(nowMs() - committedMs);
      log.settles.commit([{ kind: "put", key: `cursor/${log.n}`, value: cursor }], { mayWait: true });
    };
    flushed.then(settle, () => {});
    last[log.n] = synced;
  }
  await Promise.all(last);
  return { latency: latencies.latency };
}
