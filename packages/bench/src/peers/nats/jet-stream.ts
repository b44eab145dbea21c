import { AckPolicy, jetstream, jetstreamManager, StorageType } from "@nats-io/jetstream";
import { connect as dial } from "@nats-io/transport-node";
import { readBody } from "../../frame/message.ts";
import { type At, type Load, queueOf, type System } from "../../frame/system.ts";

const CONSUMER = "bench";
const ACK_PENDING_MAX = 100;

/** A file stream for each queue, and one durable pull consumer for it. */
export const jetStream: System = {
  async sender(load, at) {
    const connection = await connect(at);
    const client = jetstream(connection, { timeout: 60_000 });
    const names = namesOf(load);
    return {
      send({ key, body, acknowledged, failed }) {
        client.publish(`${names[queueOf(key, load)]!}.m`, body).then(acknowledged, failed);
      },
      close: () => connection.close(),
    };
  },
  async receiver(load, at, take) {
    const connection = await connect(at);
    const manager = await jetstreamManager(connection);
    const client = jetstream(connection);
    const handle = async (body: Uint8Array): Promise<void> => take(readBody(body));
    const ackPendingMax = load.strict ? 1 : ACK_PENDING_MAX;
    const deliveries = await Promise.all(
      namesOf(load).map(async (name) => {
        await manager.streams.add({ name, subjects: [`${name}.*`], storage: StorageType.File });
        await manager.consumers.add(name, {
          durable_name: CONSUMER,
          ack_policy: AckPolicy.Explicit,
          max_ack_pending: ackPendingMax,
        });
        return (await client.consumers.get(name, CONSUMER)).consume({ max_messages: ACK_PENDING_MAX });
      }),
    );
    const running = deliveries.map(async (messages) => {
      for await (const message of messages) {
        await handle(message.data);
        message.ack();
      }
    });
    return {
      async settled() {
        await new Promise((resolve) => setImmediate(resolve));
        await connection.flush();
      },
      async close() {
        for (const messages of deliveries) messages.stop();
        await Promise.all(running);
        await connection.close();
      },
    };
  },
};
const namesOf = (load: Load): readonly string[] => Array.from({ length: load.queues }, (_, queue) => `queue-${queue}`);
const connect = ({ address }: At) => dial({ servers: `127.0.0.1:${address}` });
