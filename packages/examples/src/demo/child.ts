import { readFile } from "node:fs/promises";
import { type ChildWork, eventsOfLines, failParent, HistoryWriter, tellParent, WriteRelay } from "@seriatim/rig";
import { wsTransport } from "@seriatim/transport-ws";
import { startBroker } from "./broker-role.ts";
import type { ChildSpec, Order, Tell } from "./child-messages.ts";
import { startConsumer } from "./consumer-role.ts";
import { startProducer } from "./producer-role.ts";

const STATUS_MS = 200;
const tell = (message: Tell): void => tellParent(message);

/** A broker, producer or consumer as a process of its own, which takes orders from the driver. */
export async function startRole(spec: ChildSpec): Promise<ChildWork<Order>> {
  const { name, settings, port } = spec;
  const history = new HistoryWriter({ process: `${name}#${spec.incarnation}`, file: spec.historyFile });
  const at = { name, settings, history };
  if (spec.role === "broker") {
    const broker = await startBroker({ ...at, modules: [wsTransport({ port })], dataPath: spec.dataPath });
    return { end: (options) => broker.close(options) };
  }
  const modules = [wsTransport({ url: `ws://127.0.0.1:${port}`, backoff: { initialMs: 50, maxMs: 1_000 } })];
  if (spec.role === "producer") {
    const events = eventsOfLines(await readFile(spec.eventsFile, "utf8"));
    const producer = await startProducer({ ...at, modules, events, failed: failParent });
    return {
      obey(order) {
        if (order.type === "allow") producer.allow(order.upTo);
      },
      end: reporting(producer, () => tell({ type: "producer", status: producer.status })),
    };
  }
  const writes = new WriteRelay(tell);
  const write = writes.ask.bind(writes);
  const consumer = await startConsumer({ ...at, modules, write, failed: failParent });
  return {
    obey(order) {
      if (order.type === "occupy") void consumer.occupy(order.ms).then((id) => tell({ type: "occupied", id }));
      else if (order.type === "relax") consumer.relax();
      else if (order.type === "written") writes.answered(order);
    },
    end: reporting(consumer, () => tell({ type: "consumer", status: consumer.status })),
  };
}

/** Tells from now on how it goes, the last time when it has closed. */
function reporting(
  role: { close(options: { readonly timeoutMs: number }): Promise<void> },
  report: () => void,
): ChildWork<Order>["end"] {
  setInterval(report, STATUS_MS).unref();
  return async (options) => {
    await role.close(options);
    report();
  };
}
