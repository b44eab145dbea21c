import { isMessagingError } from "@seriatim/actors";
import { HistoryWriter } from "@seriatim/examples/demo";
import { startBroker } from "./broker-role.ts";
import type { ChildSpec, Order, Tell } from "./child-messages.ts";
import { ConsumerRole } from "./consumer-role.ts";
import { Outbox } from "./outbox.ts";
import type { Write, WriteOutcome } from "./outside-world.ts";
import { ProducerRole } from "./producer-role.ts";

const STATUS_MS = 100;

interface RunningChild {
  obey(order: Order): void;
  close(options: { readonly timeoutMs: number }): Promise<void>;
}

/** A broker, producer or consumer as a process of its own: takes orders from the driver and ends when the driver does. */
export function runChild(): void {
  let guarded: readonly number[] = [];
  let running: RunningChild | null = null;
  process.on("disconnect", () => {
    for (const pid of guarded) wake(pid);
    process.exit(0);
  });
  if (!process.connected) process.exit(0);
  process.on("SIGINT", () => {}); // Ctrl-C reaches the whole group; the driver says what happens
  process.on("uncaughtException", fail);
  process.on("unhandledRejection", fail);
  process.on("message", (order: Order) => {
    if (order.type === "begin")
      start(order.spec).then((started) => {
        running = started;
        tell({ type: "ready" });
      }, fail);
    else if (order.type === "guard") guarded = order.pids;
    else if (order.type !== "close") running?.obey(order);
    else if (running === null) process.exit(0);
    else
      running.close({ timeoutMs: order.timeoutMs }).then(() => {
        process.send?.({ type: "closed" } satisfies Tell, () => process.exit(0));
      }, fail);
  });
}

function tell(message: Tell): void {
  if (process.connected) process.send?.(message, (error: Error | null) => error !== null && process.exit(1));
}
function fail(error: unknown): void {
  const code = isMessagingError(error) ? error.code : null;
  const message =
    error instanceof Error ? (code === null ? (error.stack ?? error.message) : error.message) : String(error);
  if (!process.connected) process.exit(1);
  process.send?.({ type: "failed", code, message } satisfies Tell, () => process.exit(1));
}
function wake(pid: number): void {
  try {
    process.kill(pid, "SIGCONT");
  } catch {
    // it has ended
  }
}

async function start(spec: ChildSpec): Promise<RunningChild> {
  const { role, name, incarnation, historyFile, settings, port } = spec;
  const history = new HistoryWriter({ process: `${name}#${incarnation}`, file: historyFile });
  const setting = { name, settings, history, port, failed: fail };
  if (role === "broker") {
    const broker = await startBroker(spec, history);
    return { obey() {}, close: (options) => broker.close(options) };
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
      async close(options) {
        await producer.close(options);
        report();
      },
    };
  }
  const writes = new Writes();
  const consumer = new ConsumerRole(setting, (write) => writes.ask(write));
  return {
    obey(order) {
      if (order.type === "written") writes.answered(order.outcomes);
      else if (order.type === "calm") consumer.calm();
      else if (order.type === "rest") consumer.rest(order.resting);
    },
    close: (options) => consumer.close(options),
  };
}

/** Writes on their way to the driver, who keeps the outside world; what one turn asks goes as one message. */
class Writes {
  readonly #waiting: ((outcome: WriteOutcome) => void)[] = [];
  #batch: Write[] = [];

  ask(write: Write): Promise<WriteOutcome> {
    if (this.#batch.push(write) === 1) setImmediate(() => this.#flush());
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
  answered(outcomes: readonly WriteOutcome[]): void {
    for (const [index, resolve] of this.#waiting.splice(0, outcomes.length).entries())
      resolve(outcomes[index] as WriteOutcome);
  }
  #flush(): void {
    const writes = this.#batch;
    this.#batch = [];
    tell({ type: "write", writes });
  }
}
