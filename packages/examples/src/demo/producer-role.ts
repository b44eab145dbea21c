import { createClient, provide, tokens } from "@seriatim/actors";
import type { LogEvent } from "@seriatim/rig";
import { eventsTopic } from "./events-topic.ts";
import type { RoleSetting, RunningProducer } from "./roles.ts";

const TICK_MS = 10;
/** After a stall it catches up, but not with more than this much of a second's messages at once. */
const BURST_SECONDS = 0.5;
/** A restarted broker is back in a second or two; a slow machine may need more. */
const SEND_TIMEOUT_MS = 60_000;

/** Sends its share of the log, in the log's order and at the replay's rate, as far as it is allowed. */
export async function startProducer(
  at: RoleSetting & { readonly events: readonly LogEvent[]; readonly failed: (error: unknown) => void },
): Promise<RunningProducer> {
  const { settings, history, events } = at;
  history.record({
    type: "start",
    role: "producer",
    topics: [settings.topic],
    settings: { durability: settings.durability, failover: "strict" },
  });
  const client = await createClient({
    name: at.name,
    modules: [...at.modules, provide(tokens.history, () => history)],
  });
  const producer = client.producer(eventsTopic(settings), {
    name: at.name,
    durability: settings.durability,
    sendTimeoutMs: SEND_TIMEOUT_MS,
  });
  const status = { sent: 0, acknowledged: 0, refused: 0, done: events.length === 0 };
  const settle = () => {
    status.done = status.acknowledged + status.refused === events.length;
  };
  const send = ({ id, key, ordinal, atMs, fields }: LogEvent): void => {
    status.sent++;
    producer.send({ key, ordinal, atMs, fields }, { id }).then(
      () => {
        status.acknowledged++;
        settle();
      },
      () => {
        status.refused++; // the history has the reason
        settle();
      },
    );
  };

  let allowed = 0;
  const ended = new AbortController();
  const pump = async (): Promise<void> => {
    let room = 0;
    let before = performance.now();
    while (status.sent < events.length && !ended.signal.aborted) {
      const now = performance.now();
      room = Math.min(
        room + ((now - before) * settings.ratePerProducer) / 1_000,
        Math.max(1, settings.ratePerProducer * BURST_SECONDS),
      );
      before = now;
      const upTo = Math.min(events.length, Math.ceil(allowed * events.length));
      while (room >= 1 && status.sent < upTo) {
        await producer.ready({ signal: ended.signal });
        send(events[status.sent] as LogEvent);
        room--;
      }
      await new Promise((resolve) => setTimeout(resolve, TICK_MS));
    }
  };
  const pumping = pump().catch((error: unknown) => {
    if (!ended.signal.aborted) at.failed(error);
  });
  return {
    status,
    allow(upTo) {
      allowed = Math.max(allowed, upTo);
    },
    async close(options) {
      ended.abort();
      await pumping;
      await producer.close(options);
      await client.close(options);
      history.end();
    },
  };
}
