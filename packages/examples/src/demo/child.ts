import { readFile } from "node:fs/promises";
import { isMessagingError } from "@seriatim/actors";
import { wsTransport } from "@seriatim/transport-ws";
import { startBroker } from "./broker-role.ts";
import type { ChildSpec, Order, Tell } from "./child-messages.ts";
import { startConsumer } from "./consumer-role.ts";
import type { LogEvent } from "./event-log.ts";
import { HistoryWriter } from "./history-writer.ts";
import { startProducer } from "./producer-role.ts";
import type { ProjectionWrite, WriteOutcome } from "./projection.ts";
import type { RunningBroker, RunningConsumer, RunningProducer } from "./roles.ts";

const STATUS_MS = 200;

/** A broker, producer or consumer as a process of its own: takes orders from the driver and ends when the driver does. */
export function runChild(): void {
  const tell = (message: Tell): void => {
    if (process.connected) process.send?.(message, (error: Error | null) => error !== null && process.exit(1));
  };
  const fail = (error: unknown): void => {
    const code = isMessagingError(error) ? error.code : null;
    const message = error instanceof Error ? error.message + (code === null ? whereOf(error) : "") : String(error);
    if (!process.connected) process.exit(1);
    process.send?.({ type: "failed", code, message } satisfies Tell, () => process.exit(1));
  };
  let guarded: number | null = null;
  process.on("disconnect", () => {
    if (guarded !== null) wake(guarded);
    process.exit(0); // the driver is gone
  });
  if (!process.connected) process.exit(0);
  process.on("SIGINT", () => {}); // Ctrl-C reaches the whole group; the driver says what happens
  process.on("uncaughtException", fail);
  process.on("unhandledRejection", fail);

  let running: RunningChild | null = null;
  process.on("message", (order: Order) => {
    if (order.type === "begin")
      start(order.spec, tell, fail).then((started) => {
        running = started;
        tell({ type: "ready" });
      }, fail);
    else if (order.type === "guard") guarded = order.pid;
    else if (order.type === "close") {
      if (running === null) process.exit(0);
      running.role.close({ timeoutMs: order.timeoutMs }).then(() => {
        running?.report();
        process.send?.({ type: "closed" } satisfies Tell, () => process.exit(0));
      }, fail);
    } else running?.obey(order);
  });
}

function wake(pid: number): void {
  try {
    process.kill(pid, "SIGCONT");
  } catch {
    // it has ended
  }
}
/** An error that nobody foresaw says where it was thrown. */
const whereOf = (error: Error): string =>
  error.stack
    ?.split("\n")
    .find((line) => line.startsWith("    at "))
    ?.replace("    at", " at") ?? "";

interface RunningChild {
  readonly role: RunningBroker | RunningProducer | RunningConsumer;
  obey(order: Order): void;
  report(): void;
}

async function start(
  spec: ChildSpec,
  tell: (message: Tell) => void,
  fail: (error: unknown) => void,
): Promise<RunningChild> {
  const history = new HistoryWriter({ process: `${spec.name}#${spec.incarnation}`, file: spec.historyFile });
  const at = { name: spec.name, settings: spec.settings, history };
  if (spec.role === "broker") {
    const role = await startBroker({ ...at, modules: [wsTransport({ port: spec.port })], dataPath: spec.dataPath });
    return { role, obey() {}, report() {} };
  }
  const modules = [wsTransport({ url: `ws://127.0.0.1:${spec.port}`, backoff: { initialMs: 50, maxMs: 1_000 } })];
  if (spec.role === "producer") {
    const lines = (await readFile(spec.eventsFile, "utf8")).split("\n").filter((line) => line !== "");
    const role = await startProducer({
      ...at,
      modules,
      events: lines.map((line) => JSON.parse(line) as LogEvent),
      failed: fail,
    });
    const report = () => tell({ type: "producer", status: role.status });
    setInterval(report, STATUS_MS).unref();
    return { role, report, obey: (order) => order.type === "allow" && role.allow(order.upTo) };
  }
  const writes = new Writes(tell);
  const role = await startConsumer({ ...at, modules, write: (write) => writes.ask(write), failed: fail });
  const report = () => tell({ type: "consumer", status: role.status });
  setInterval(report, STATUS_MS).unref();
  return {
    role,
    report,
    obey(order) {
      if (order.type === "occupy") void role.occupy(order.ms).then((id) => tell({ type: "occupied", id }));
      else if (order.type === "relax") role.relax();
      else if (order.type === "written") writes.answered(order.outcomes);
    },
  };
}

/** Writes on their way to the driver, who keeps the outside world; what one turn of the event loop asks goes as one message. */
class Writes {
  readonly #tell: (message: Tell) => void;
  readonly #waiting: ((outcome: WriteOutcome) => void)[] = [];
  #batch: ProjectionWrite[] = [];

  constructor(tell: (message: Tell) => void) {
    this.#tell = tell;
  }
  ask(write: ProjectionWrite): Promise<WriteOutcome> {
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
    this.#tell({ type: "write", writes });
  }
}
