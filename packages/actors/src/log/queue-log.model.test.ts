// The queue beside a reference model: lanes that send again, rewind and fence each other, message ids, failed commits,
// crashes.
import fc from "fast-check";
import { expect, it } from "vitest";
import { type Epoch, sequence } from "../message/brands.ts";
import { isMessagingError } from "../message/errors.ts";
import { concatBytes, PackedReader } from "../message/packed.ts";
import { message, QueueBench } from "../queue/queue.fixture.ts";
import type { ProducerInstance } from "./producer-table.ts";
import { decodeBatch } from "./stored-batch.ts";

const WINDOW_MS = 1_000;
interface Place {
  readonly offset: number;
  readonly duplicate: boolean;
}
interface Producer {
  readonly epoch: number;
  readonly instance: string;
  readonly ordinal: number;
  readonly principal: string | null;
  /** Where each sequence number landed. */
  readonly places: number[];
}

/** What a queue is: a list, and who has sent what of it. */
class Model {
  keys: string[] = [];
  epochs = 0;
  producers = new Map<string, Producer>();
  ids = new Map<string, { readonly offset: number; readonly atMs: number }>();

  copy(): Model {
    const copy = new Model();
    copy.keys = [...this.keys];
    copy.epochs = this.epochs;
    for (const [name, one] of this.producers) copy.producers.set(name, { ...one, places: [...one.places] });
    copy.ids = new Map(this.ids);
    return copy;
  }
  open(
    name: string,
    shown: number | null,
    { instance, ordinal, principal }: ProducerInstance,
  ): { epoch: number; expected: number } | string {
    const known = this.producers.get(name);
    if (known !== undefined && known.principal !== principal) return "NAME_IN_USE";
    if (shown === null) {
      if ((known?.ordinal ?? 0) > ordinal) return "PRODUCER_FENCED";
      this.epochs++;
      this.producers.set(name, { epoch: this.epochs, instance, ordinal, principal, places: [] });
      return { epoch: this.epochs, expected: 0 };
    }
    const refused = this.#refused(name, shown, instance);
    return refused ?? { epoch: shown, expected: (this.producers.get(name) as Producer).places.length };
  }
  append(lane: Lane, from: number, count: number, nowMs: number): Place[] | string {
    const refused = this.#refused(lane.name, lane.epoch, lane.instance);
    if (refused !== null) return refused;
    const { places } = this.producers.get(lane.name) as Producer;
    if (from > places.length) return `OUT_OF_SEQUENCE ${places.length}`;
    const answer: Place[] = [];
    for (let at = from; at < from + count; at++) {
      const id = idOf(lane.name, at);
      const first = id === null ? undefined : this.ids.get(id);
      if (at < places.length) answer.push({ offset: places[at] as number, duplicate: true });
      else if (first !== undefined && nowMs - first.atMs <= WINDOW_MS) {
        places.push(first.offset);
        answer.push({ offset: first.offset, duplicate: true });
      } else {
        const offset = this.keys.push(keyOf(lane, at)) - 1;
        if (id !== null) this.ids.set(id, { offset, atMs: nowMs });
        places.push(offset);
        answer.push({ offset, duplicate: false });
      }
    }
    return answer;
  }
  #refused(name: string, shown: number, instance: string): string | null {
    const producer = this.producers.get(name);
    if (producer === undefined) return "PRODUCER_UNKNOWN";
    return producer.epoch === shown && producer.instance === instance ? null : "PRODUCER_FENCED";
  }
}

interface Lane {
  readonly name: string;
  readonly instance: string;
  readonly ordinal: number;
  readonly principal: string;
  epoch: number;
}
const keyOf = ({ name, epoch }: Lane, at: number) => `${name}/${epoch}/${at}`;
/** Every third message has an id, some of them the same; a message sent again has the same one. */
const idOf = (name: string, at: number) => (at % 3 === 0 ? `id-${name.length + (at % 4)}` : null);

const FIRST: ProducerInstance = { instance: "first", ordinal: 1, principal: null };
const lane = fc.nat(5);
const step = fc.oneof(
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom("open" as const, "reopen" as const), lane }) },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("append" as const),
      lane,
      /** Against the sequence that is expected. */
      shift: fc.oneof({ weight: 5, arbitrary: fc.constant(0) }, fc.integer({ min: -4, max: 1 })),
      count: fc.integer({ min: 1, max: 5 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom("flush" as const, "fail" as const, "restart" as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("wait" as const), ms: fc.integer({ min: 1, max: 700 }) }) },
);
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

async function play(steps: readonly Step[]): Promise<void> {
  const bench = await QueueBench.open({ idWindowMs: WINDOW_MS });
  const lanes: Lane[] = ["p", "p", "qq", "qq", "p", "qq"].map((name, n) => ({
    name,
    instance: `i${n % 4}`,
    ordinal: n === 3 ? 2 : n > 3 ? 9 : 1,
    principal: n > 3 ? "mallory" : "alice",
    epoch: 0,
  }));
  let model = new Model();
  // the counter of epochs has a record from here on: without one, a failed commit leaves a number out, which harms
  // nobody
  bench.queue.log.openLane("first", null, FIRST);
  model.open("first", null, FIRST);
  await bench.settle();
  let durable = model.copy();
  /** What the next commit, which will fail, leaves behind. */
  let failing = null as "armed" | Model | null;

  /** Everything on its way has arrived, or failed and been read anew. */
  const flush = async () => {
    await bench.settle();
    if (failing instanceof Model) {
      await bench.runtime.advance(1_000);
      expect(bench.queue.state).toBe("active");
      model = failing;
      failing = null;
    }
    durable = model.copy();
  };
  /** Runs both; a step that commits is where an armed failure strikes. */
  const both = (real: () => unknown, ideal: () => unknown, commits: (answer: unknown) => boolean) => {
    const before = model.copy();
    const expected = ideal();
    expect(codeOr(real)).toEqual(expected);
    if (failing === "armed" && commits(expected)) failing = before;
  };
  for (const one of steps) {
    const { log } = bench.queue;
    switch (one.do) {
      case "open":
      case "reopen": {
        const at = lanes[one.lane] as Lane;
        const shown = one.do === "open" ? null : at.epoch;
        both(
          () => {
            const opened = log.openLane(at.name, shown as Epoch | null, at);
            opened.ready.catch(() => {});
            return { epoch: opened.epoch, expected: opened.expected };
          },
          () => model.open(at.name, shown, at),
          (answer) => shown === null && typeof answer !== "string",
        );
        if (shown === null && model.producers.get(at.name)?.instance === at.instance) at.epoch = model.epochs;
        break;
      }
      case "append": {
        const at = lanes[one.lane] as Lane;
        const next = model.producers.get(at.name)?.places.length ?? 0;
        const from = Math.max(0, next + one.shift);
        const numbers = Array.from({ length: one.count }, (_, n) => from + n);
        const bytes = concatBytes(numbers.map((n) => message(keyOf(at, n), 10, idOf(at.name, n))));
        both(
          () => {
            const { runs } = log.append(
              { producer: at.name, instance: at.instance, epoch: at.epoch as Epoch },
              sequence(from),
              one.count,
              bytes,
            );
            return runs.flatMap((run) =>
              Array.from({ length: run.count }, (_, n) => ({ offset: run.offset + n, duplicate: run.duplicate })),
            );
          },
          () => model.append(at, from, one.count, bench.runtime.now()),
          (answer) => Array.isArray(answer) && from + one.count > next,
        );
        break;
      }
      case "flush":
        await flush();
        break;
      case "wait":
        await flush();
        await bench.runtime.advance(one.ms);
        break;
      case "fail":
        await flush();
        failing = "armed";
        bench.disk.beforeApply = () => {
          bench.disk.beforeApply = undefined;
          throw new Error("disk");
        };
        break;
      case "restart":
        if (failing instanceof Model) await flush();
        bench.disk.beforeApply = undefined;
        failing = null;
        await bench.restart();
        model = durable.copy(); // the crash took what was on its way
        break;
    }
    expect(bench.queue.log.end).toBe(model.keys.length);
    expect(bench.queue.log.flushedEnd).toBe(durable.keys.length);
  }
  await flush();
  const stored = await bench.store.read(bench.queue.log.name, 0, { bytesMax: 1e9 });
  const keys = stored.flatMap((batch) => {
    const reader = new PackedReader(decodeBatch("", batch).messages);
    const found: (string | null)[] = [];
    while (reader.next()) found.push(reader.key);
    return found;
  });
  expect(keys).toEqual(model.keys);
}
function codeOr(work: () => unknown): unknown {
  try {
    return work();
  } catch (error) {
    if (!isMessagingError(error)) throw error;
    return error.code === "OUT_OF_SEQUENCE" ? `${error.code} ${String(error.data?.["expected"])}` : error.code;
  }
}

it("gives every message the place that a list would, and holds exactly what was flushed", async () => {
  await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), play), { numRuns: 100 });
});
