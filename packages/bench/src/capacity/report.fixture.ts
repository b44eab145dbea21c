import type { Report, RowFigures } from "../report/figures.ts";
import { bodyRow, QUEUES, queuesRow } from "../scenarios/size.ts";
import { batchesPerMessage, type Micros } from "./inputs.ts";

export const WINDOW = 1_000;
/** What a run would show of a system whose costs are these: 10 µs a message and 20 a batch at the broker, and so on. */
const COST = { server: [10, 20], producer: [5, 10], consumer: [8, 16] } as const;
const BYTE_MICROS = 0.01;

const microsOf = (queues: number, bytes = 0): Micros => {
  const of = ([message, batch]: readonly [number, number]): number =>
    message + batch * batchesPerMessage(queues, WINDOW);
  return {
    server: of(COST.server) + BYTE_MICROS * bytes,
    producer: of(COST.producer),
    consumer: of(COST.consumer),
  };
};
const rate = (median: number) => ({ median, min: median, max: median });
const traffic = (batches: number) => ({
  producerBytes: 210 + 40 * batches,
  consumerBytes: 210 + 90 * batches,
  diskBytes: 300 + 200 * batches,
  transactions: 0.01,
});
const row = (name: string, cpuMicros: Micros, more: Partial<RowFigures> = {}): RowFigures => ({
  name,
  scenario: "test",
  ours: true,
  durable: "",
  messages: 1,
  rounds: 1,
  messagesPerSecond: rate(50_000),
  cpuMicros: { ...cpuMicros },
  traffic: traffic(1),
  perRound: [],
  ...more,
});
export const report: Report = {
  load: { messages: 1, warmUpPercent: 0, bytes: 200, keys: 64, queues: 8, window: WINDOW },
  rounds: 1,
  node: "v20",
  cores: 2,
  rows: [
    row("ws + lmdb, synced", microsOf(8)),
    row("strict: ws + lmdb, synced", microsOf(WINDOW)),
    ...QUEUES.map((queues) =>
      row(queuesRow(queues), microsOf(queues), { traffic: traffic(batchesPerMessage(queues, WINDOW)) }),
    ),
    ...[200, 1_024, 10_240].map((bytes) => row(bodyRow(bytes), microsOf(8, bytes))),
    row("resources", microsOf(8), {
      figures: {
        "idle queue with one group, LMDB store, bytes": rate(5_000),
        "idle connection, at the broker, bytes": rate(20_000),
        "10,000 × idle queue with one group, LMDB store, opened and described, ms": rate(1_000),
      },
    }),
  ],
  ratios: [],
  bars: [],
  skipped: [],
  failures: [],
};
