// What goes wrong without ordered messaging: the same events, the same slow and sometimes failing handler,
// once through a plain pool of concurrent handlers, once through Seriatim.
import { setTimeout as sleep } from "node:timers/promises";
import { createSystem, topic } from "@seriatim/actors";
import { generatedLog, type LogEvent, unitOf } from "@seriatim/rig";
import { memoryTransport } from "@seriatim/transport-memory";
import { z } from "zod";

const SEED = 7;
const AT_ONCE = 16;
const log = generatedLog({ seed: SEED, orders: 200 });

/** The shop's table: the status of an order is that of the last event that was written. */
class Orders {
  readonly #rows = new Map<string, { status: string; ordinal: number; tooEarly: number }>();

  write({ key, ordinal, fields }: Pick<LogEvent, "key" | "ordinal" | "fields">): void {
    const row = this.#rows.get(key) ?? { status: "", ordinal: -1, tooEarly: 0 };
    if (ordinal > row.ordinal + 1) row.tooEarly++; // shipped before it was paid, say
    this.#rows.set(key, { ...row, status: fields["type"] ?? "", ordinal });
  }
  get wrongAtTheEnd(): number {
    return [...log.keys].filter(([key, events]) => this.#rows.get(key)?.ordinal !== events - 1).length;
  }
  get wrongOnTheWay(): number {
    return [...this.#rows.values()].filter(({ tooEarly }) => tooEarly > 0).length;
  }
}

/** A handler as handlers are: it takes its time, and fails now and then. */
async function handle(
  orders: Orders,
  event: Pick<LogEvent, "key" | "ordinal" | "fields">,
  attempt: number,
): Promise<void> {
  const id = `${event.key}#${event.ordinal}/${attempt}`;
  await sleep(unitOf(id, SEED) * 4);
  if (unitOf(`fails ${id}`, SEED) < 0.02) throw new Error("the database did not answer");
  orders.write(event);
}

/** The usual way: sixteen workers take events as they come; what fails goes back to the end of the line. */
async function plain(): Promise<Orders> {
  const orders = new Orders();
  const line = log.events.map((event) => ({ event, attempt: 1 }));
  const worker = async (): Promise<void> => {
    for (let next = line.shift(); next !== undefined; next = line.shift()) {
      const { event, attempt } = next;
      await handle(orders, event, attempt).catch(() => line.push({ event, attempt: attempt + 1 }));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return orders;
}

/** The same events and the same handler, sixteen side by side too, but never two of one order. */
async function ordered(): Promise<Orders> {
  const orders = new Orders();
  const steps = topic("order-steps", {
    schema: z.object({ key: z.string(), ordinal: z.number(), fields: z.record(z.string(), z.string()) }),
    key: (body) => body.key,
    queues: 4,
  });
  await using system = await createSystem({ modules: [memoryTransport()], topics: [steps] });
  const consumer = system.consumer(steps, {
    group: "shop",
    concurrency: AT_ONCE / 4,
    retry: { initialMs: 1, maxMs: 10 },
  });
  const done = consumer.run(({ body }, { attempt }) => handle(orders, body, attempt));
  const producer = system.producer(steps);
  for (const { key, ordinal, fields } of log.events) {
    await producer.ready();
    void producer.send({ key, ordinal, fields });
  }
  await producer.flush();
  await consumer.caughtUp();
  await consumer.close();
  await done;
  return orders;
}

console.log(`${log.events.length} events of ${log.keys.size} orders, ${AT_ONCE} handlers at once\n`);
let broken = 0;
for (const [name, run] of [
  ["plain concurrent handlers", plain],
  ["Seriatim", ordered],
] as const) {
  const from = performance.now();
  const orders = await run();
  const ms = Math.round(performance.now() - from);
  console.log(
    `${name}: ${orders.wrongAtTheEnd} orders end in a wrong state, ${orders.wrongOnTheWay} saw a step too early (${ms} ms)`,
  );
  if (name === "Seriatim") broken = orders.wrongAtTheEnd + orders.wrongOnTheWay;
}
process.exitCode = broken === 0 ? 0 : 1;
