import { QUEUES } from "../scenarios/size.ts";
import { FITTED_BODIES, FITTED_QUEUES, type Inputs, type Measurement, type Micros, sumOf } from "./inputs.ts";
import { at } from "./line.ts";
import { diskBytes, microsAt } from "./model.ts";

/** What the model says of a row that it was not made from, beside what the row measured in the same run. */
export interface Check {
  readonly what: string;
  readonly unit: "msgs/s" | "µs/msg" | "bytes/msg";
  readonly predicted: number;
  readonly measured: number;
}
export function checksOf(inputs: Inputs, window: number): readonly Check[] {
  const { cores, windowed, strict, queues, bodies, costOfBytes } = inputs;
  const cost = (what: string, predicted: number, { micros }: Measurement): Check => ({
    what,
    unit: "µs/msg",
    predicted,
    measured: sumOf(micros),
  });
  const others = [...queues].filter(([count]) => !FITTED_QUEUES.some((each) => each === count));
  const fitted = (all: readonly number[]) => all.map((size) => size.toLocaleString("en")).join(" and ");
  return [
    {
      what: `rate of the windowed row, from its CPU per message and ${cores} cores`,
      unit: "msgs/s",
      predicted: rateOn(cores, windowed.micros),
      measured: windowed.messagesPerSecond,
    },
    {
      what: `rate of the strict row, from its CPU per message and ${cores} cores`,
      unit: "msgs/s",
      predicted: rateOn(cores, strict.micros),
      measured: strict.messagesPerSecond,
    },
    cost(
      `strict row, from the queue rows: broker and consumer in batches of 1, producer of ${window / QUEUES[0]!}`,
      sumOf({ ...microsAt(inputs, 1), producer: microsAt(inputs, window / QUEUES[0]!).producer }),
      strict,
    ),
    ...others.map(([count, measurement]) =>
      cost(
        `${count.toLocaleString("en")} queues in use, from ${fitted(FITTED_QUEUES)}`,
        sumOf(microsAt(inputs, Math.max(1, window / count))),
        measurement,
      ),
    ),
    ...others.map(([count, measurement]) => ({
      what: `to the disk with ${count.toLocaleString("en")} queues in use, from ${fitted(FITTED_QUEUES)}`,
      unit: "bytes/msg" as const,
      predicted: diskBytes(inputs, Math.max(1, window / count)),
      measured: measurement.diskBytes,
    })),
    ...[...bodies]
      .filter(([bytes]) => !FITTED_BODIES.some((each) => each === bytes))
      .map(([bytes, measurement]) =>
        cost(
          `bodies of ${bytes.toLocaleString("en")} bytes, from ${fitted(FITTED_BODIES)}`,
          at(costOfBytes, bytes),
          measurement,
        ),
      ),
  ];
}
/** When all are on one machine: until its cores, or one of the event loops, are full. */
export function rateOn(cores: number, micros: Micros): number {
  return 1_000_000 / Math.max(sumOf(micros) / cores, ...Object.values(micros));
}
