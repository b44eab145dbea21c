// npm run bench: ordered end to end over WebSocket, one producer process, one consumer process, one broker process.
import { cpus } from "node:os";
import Table from "cli-table3";
import { Command, InvalidArgumentError } from "commander";
import { type Measured, measure } from "./measure.ts";
import type { Settings } from "./protocol.ts";

const whole = (text: string): number => {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new InvalidArgumentError("expected a whole number from 1");
  return value;
};
const program = new Command("bench")
  .description("Measures ordered messages end to end. Every run verifies order and loss, and fails otherwise.")
  .option("--messages <n>", "messages per run", whole, 100_000)
  .option("--bytes <n>", "bytes of a body, at least 4", whole, 200)
  .option("--keys <n>", "ordering keys", whole, 64)
  .option("--queues <n>", "queues of the topic", whole, 8)
  .option("--rounds <n>", "rounds; the rows of a round run one after another", whole, 5)
  .option("--json", "print the figures as one JSON object, as the last line")
  .parse();
const options = program.opts<{
  messages: number;
  bytes: number;
  keys: number;
  queues: number;
  rounds: number;
  json?: true;
}>();

const rows: readonly {
  readonly name: string;
  readonly store: Settings["store"];
  readonly durability: Settings["durability"];
}[] = [
  { name: "ws + lmdb, acknowledged when synced", store: "lmdb", durability: "synced" },
  { name: "ws + lmdb, acknowledged when flushed", store: "lmdb", durability: "flushed" },
  { name: "ws + memory store", store: "memory", durability: "memory" },
];
const { rounds, json, ...load } = options;
const measured = new Map<string, Measured[]>(rows.map((row) => [row.name, []]));
for (let round = 1; round <= rounds; round++)
  for (const { name, store, durability } of rows) {
    const one = await measure({ ...load, store, durability });
    measured.get(name)?.push(one);
    console.error(
      `round ${round}/${rounds}  ${name}: ${Math.round(one.messagesPerSecond).toLocaleString("en")} msgs/s`,
    );
  }

const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
};
const figures = rows.map(({ name }) => {
  const all = measured.get(name) ?? [];
  const rates = all.map((one) => one.messagesPerSecond);
  const cpu = (role: keyof Measured["cpuMicros"]): number => median(all.map((one) => one.cpuMicros[role]));
  return {
    name,
    messagesPerSecond: {
      median: Math.round(median(rates)),
      min: Math.round(Math.min(...rates)),
      max: Math.round(Math.max(...rates)),
    },
    cpuMicros: { broker: cpu("broker"), producer: cpu("producer"), consumer: cpu("consumer") },
  };
});
const table = new Table({ head: ["", "msgs/s median", "min to max", "CPU µs/msg broker", "producer", "consumer"] });
for (const { name, messagesPerSecond: rate, cpuMicros } of figures)
  table.push([
    name,
    rate.median.toLocaleString("en"),
    `${rate.min.toLocaleString("en")} to ${rate.max.toLocaleString("en")}`,
    cpuMicros.broker.toFixed(1),
    cpuMicros.producer.toFixed(1),
    cpuMicros.consumer.toFixed(1),
  ]);
console.log(
  `${load.messages.toLocaleString("en")} messages of ${load.bytes} bytes, ${load.keys} keys, ${load.queues} queues, ${rounds} rounds; Node ${process.version}, ${cpus().length} cores`,
);
console.log(table.toString());
if (json === true) console.log(JSON.stringify({ load, rounds, node: process.version, cores: cpus().length, figures }));
