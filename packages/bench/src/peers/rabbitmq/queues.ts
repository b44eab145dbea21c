import { connect as dial } from "amqplib";
import { readBody } from "../../frame/message.ts";
import { type At, type Load, queueOf, type System } from "../../frame/system.ts";

const PREFETCH = 100;

/** A durable queue with a single active consumer for each queue; persistent messages, publisher confirms. */
export const queues: System = {
  async sender(load, at) {
    const connection = await connect(at);
    const channel = await connection.createConfirmChannel();
    const names = namesOf(load);
    return {
      send({ key, buffer, acknowledged, failed }) {
        channel.sendToQueue(names[queueOf(key, load)]!, buffer, { persistent: true }, (error: unknown) =>
          error ? failed(error) : acknowledged(),
        );
      },
      close: () => connection.close(),
    };
  },
  async receiver(load, at, take) {
    const connection = await connect(at);
    const channel = await connection.createChannel();
    await channel.prefetch(load.strict ? 1 : PREFETCH); // for each consumer
    const handle = async (body: Uint8Array): Promise<void> => take(readBody(body));
    for (const name of namesOf(load)) {
      await channel.assertQueue(name, { durable: true, arguments: { "x-single-active-consumer": true } });
      await channel.consume(name, async (delivered) => {
        if (delivered === null) return;
        await handle(delivered.content);
        channel.ack(delivered);
      });
    }
    return {
      // Channels are served in order: an answer to a question comes after the acknowledgements before it.
      async settled() {
        await new Promise((resolve) => setImmediate(resolve));
        await channel.checkQueue(namesOf(load)[0]!);
      },
      close: () => connection.close(),
    };
  },
};
const namesOf = (load: Load): readonly string[] => Array.from({ length: load.queues }, (_, queue) => `queue-${queue}`);
const connect = ({ address }: At) => dial(`amqp://guest:guest@127.0.0.1:${address}`, { noDelay: true });
