import { type ChildWork, failParent, HistoryWriter, tellParent, WriteRelay } from "@seriatim/rig";
import { startBroker } from "./broker-role.ts";
import type { ChildSpec, Order, Tell } from "./child-messages.ts";
import { ConsumerRole } from "./consumer-role.ts";
import { Outbox } from "./outbox.ts";
import { ProducerRole } from "./producer-role.ts";

const STATUS_MS = 100;
const tell = (message: Tell): void => tellParent(message);

/** A broker, producer or consumer as a process of its own, which takes orders from the driver. */
export async function startRole(spec: ChildSpec): Promise<ChildWork<Order>> {
  const { role, name, incarnation, historyFile, settings, port } = spec;
  const history = new HistoryWriter({ process: `${name}#${incarnation}`, file: historyFile });
  const setting = { name, settings, history, port, failed: failParent };
  if (role === "broker") {
    const broker = await startBroker(spec, history);
    return { end: (options) => broker.close(options) };
  }
  if (role === "producer") {
    const producer = new ProducerRole(setting, new Outbox(spec));
    const report = (): void => tell({ type: "producer", status: producer.status });
    setInterval(report, STATUS_MS).unref();
    return {
      obey(order) {
        if (order.type === "allow") producer.allow(order.upTo);
        else if (order.type === "pad") producer.pad(order.bytes);
      },
      async end(options) {
        await producer.close(options);
        report();
      },
    };
  }
  const writes = new WriteRelay(tell);
  const consumer = new ConsumerRole(setting, (write) => writes.ask(write));
  return {
    obey(order) {
      if (order.type === "written") writes.answered(order);
      else if (order.type === "calm") consumer.calm();
      else if (order.type === "rest") consumer.rest(order.resting);
    },
    end: (options) => consumer.close(options),
  };
}
