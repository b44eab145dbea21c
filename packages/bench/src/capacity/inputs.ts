import type { Traffic } from "../frame/traffic.ts";
import { figuresNamed, type Report, type RowFigures } from "../report/figures.ts";
import { bodyRow, QUEUES, queuesRow } from "../scenarios/size.ts";
import { type Line, lineThrough } from "./line.ts";

export const ROLES = ["server", "producer", "consumer"] as const;
export type Role = (typeof ROLES)[number];
export type PerRole<T> = Readonly<Record<Role, T>>;
/** CPU per message, µs. */
export type Micros = PerRole<number>;

export interface Measurement {
  readonly micros: Micros;
  /** Per message: what crosses the links of producer and consumer, and what the broker gives to the disk. */
  readonly wireBytes: number;
  readonly diskBytes: number;
  readonly messagesPerSecond: number;
}
/**
 * What the model is made of, and what it is held against:
 * figures of one run of the bench, all with the LMDB store, synced.
 */
export interface Inputs {
  readonly cores: number;
  readonly bytes: number;
  readonly windowed: Measurement;
  readonly strict: Measurement;
  /** By the number of queues in use. */
  readonly queues: ReadonlyMap<number, Measurement>;
  /** By the bytes of a body. */
  readonly bodies: ReadonlyMap<number, Measurement>;
  /** CPU of each role per message, µs: a fixed part, and one for each batch that a message is a part of. */
  readonly cost: PerRole<Line>;
  /** CPU of all roles per message, by the bytes of its body. */
  readonly costOfBytes: Line;
  readonly wireBytes: Line;
  readonly diskBytes: Line;
  readonly transactionsPerMessage: number;
  readonly idleQueueBytes: number;
  readonly idleLinkBytes: number;
  /** Opening a queue with one group from the store, and describing it. */
  readonly openQueueMs: number;
}

export const FITTED_QUEUES = [10, 1_000] as const;
export const FITTED_BODIES = [200, 10_240] as const;
const PREDICTED_BODIES = 1_024;
/** What `resources` opens. */
const OPENED = 10_000;

/** @throws RangeError when the run had not all rows that the model needs */
export function inputsOf(report: Report): Inputs {
  const row = figuresNamed(report);
  const window = report.load.window;
  const windowedRow = row("ws + lmdb, synced");
  const queues = new Map(QUEUES.map((count) => [count, measurementOf(row(queuesRow(count)))]));
  const bodySizes = [...FITTED_BODIES, PREDICTED_BODIES];
  const bodies = new Map(bodySizes.map((bytes) => [bytes, measurementOf(row(bodyRow(bytes)))]));
  const resource = (name: string): number => wanted(row("resources").figures?.[name]?.median, `resources: ${name}`);
  const [few, many] = FITTED_QUEUES;
  const fitted = (figure: (measurement: Measurement) => number): Line => {
    const point = (count: number) => ({ x: batchesPerMessage(count, window), y: figure(queues.get(count)!) });
    return lineThrough(point(few), point(many));
  };
  const cost = (role: Role): Line => fitted(({ micros }) => micros[role]);
  const bodyPoint = (bytes: number) => ({ x: bytes, y: sumOf(bodies.get(bytes)!.micros) });
  return {
    cores: report.cores,
    bytes: report.load.bytes,
    windowed: measurementOf(windowedRow),
    strict: measurementOf(row("strict: ws + lmdb, synced")),
    queues,
    bodies,
    cost: { server: cost("server"), producer: cost("producer"), consumer: cost("consumer") },
    costOfBytes: lineThrough(bodyPoint(FITTED_BODIES[0]), bodyPoint(FITTED_BODIES[1])),
    wireBytes: fitted(({ wireBytes }) => wireBytes),
    diskBytes: fitted(({ diskBytes }) => diskBytes),
    transactionsPerMessage: trafficOf(windowedRow, "transactions"),
    idleQueueBytes: resource("idle queue with one group, LMDB store, bytes"),
    idleLinkBytes: resource("idle connection, at the broker, bytes"),
    openQueueMs:
      resource(`${OPENED.toLocaleString("en")} × idle queue with one group, LMDB store, opened and described, ms`) /
      OPENED,
  };
}
/** Sends not yet acknowledged lie round the queues, and those of one queue make a batch: one message at least. */
export const batchesPerMessage = (queues: number, window: number): number => Math.min(1, queues / window);
export const sumOf = ({ server, producer, consumer }: Micros): number => server + producer + consumer;

function measurementOf(row: RowFigures): Measurement {
  const { name, cpuMicros, messagesPerSecond } = row;
  const micros = (role: Role): number => wanted(cpuMicros[role], `${name}: CPU of the ${role}`);
  return {
    micros: { server: micros("server"), producer: micros("producer"), consumer: micros("consumer") },
    wireBytes: trafficOf(row, "producerBytes") + trafficOf(row, "consumerBytes"),
    diskBytes: trafficOf(row, "diskBytes"),
    messagesPerSecond: wanted(messagesPerSecond?.median, `${name}: messages per second`),
  };
}
const trafficOf = ({ name, traffic }: RowFigures, figure: keyof Traffic): number =>
  wanted(traffic?.[figure], `${name}: ${figure}`);

function wanted(value: number | undefined, what: string): number {
  if (value === undefined) throw new RangeError(`the model needs a figure that this run does not have: ${what}`);
  return value;
}
