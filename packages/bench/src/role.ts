// One process of a run: a broker, a producer, a consumer, or both ends in one. Started by frame/child-role.ts; ends with its parent.
import { build } from "hdr-histogram-js";
import { Arrivals } from "./frame/arrivals.ts";
import { drive } from "./frame/drive.ts";
import { nowMs } from "./frame/message.ts";
import type { Load, System, Take } from "./frame/system.ts";
import type { FromRole, Latency, Task, ToRole } from "./frame/talk.ts";
import { systems } from "./systems.ts";

const task = JSON.parse(process.argv[2] ?? "{}") as Task;
const { load, at } = task;
const tell = (message: FromRole): void => void process.send?.(message);
const cpuMs = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};
const told = (type: ToRole["type"]): Promise<void> =>
  new Promise((resolve) => {
    process.on("message", (message: ToRole) => {
      if (message.type === type) resolve();
    });
  });
process.on("disconnect", () => process.exit(1));
process.on("SIGINT", () => {}); // the parent decides
process.on("message", (message: ToRole) => {
  if (message.type === "cpu") tell({ type: "cpu", cpuMs: cpuMs() });
});
const go = told("go");
const stop = told("stop");
const judge = told("judge");
/** Long enough for a repetition that is under way to show. */
const AFTERWARDS_MS = 50;

/** The handler's side: what arrived, and how long it took. */
class Handled {
  readonly #arrivals: Arrivals;
  readonly #histogram = build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: 600_000_000,
    numberOfSignificantValueDigits: 3,
  });
  readonly #load: Load;
  readonly all: Promise<void>;
  #allHandled = (): void => {};

  constructor(given: Load) {
    this.#load = given;
    this.#arrivals = new Arrivals(given);
    this.all = new Promise((resolve) => {
      this.#allHandled = resolve;
    });
  }
  readonly take: Take = (message) => {
    this.#arrivals.take(message);
    if (this.#load.perSecond > 0 && message.n * this.#load.keys + message.key >= this.#load.warmUp)
      this.#histogram.recordValue(Math.max(1, Math.round((nowMs() - message.sentAtMs) * 1000)));
    if (this.#arrivals.complete) this.#allHandled();
  };
  async verdict(): Promise<readonly string[]> {
    await new Promise((resolve) => setTimeout(resolve, AFTERWARDS_MS));
    return this.#arrivals.verdict();
  }
  get latency(): { readonly latency?: Latency } {
    const ms = (micros: number): number => micros / 1000;
    const of = this.#histogram;
    if (this.#load.perSecond === 0) return {};
    return {
      latency: {
        p50Ms: ms(of.getValueAtPercentile(50)),
        p99Ms: ms(of.getValueAtPercentile(99)),
        maxMs: ms(of.maxValue),
      },
    };
  }
}

async function serve(system: System): Promise<void> {
  const server = await required(system, "serve")(load, at);
  tell({ type: "ready", address: server.address });
  await stop;
  await server.close();
}
async function send(system: System): Promise<void> {
  const sender = await required(system, "sender")(load, at);
  tell({ type: "ready" });
  await go;
  const before = cpuMs();
  tell({ type: "started", atMs: nowMs() });
  const wrong = await drive(load, sender);
  tell({ type: "done", atMs: nowMs(), wrong, cpuMs: cpuMs() - before });
  await stop;
  await sender.close();
}
async function receive(system: System): Promise<void> {
  const handled = new Handled(load);
  const receiver = await required(system, "receiver")(load, at, handled.take);
  tell({ type: "ready" });
  await go;
  const before = cpuMs();
  const complete = await Promise.race([handled.all.then(() => true), judge.then(() => false)]);
  if (complete) await receiver.settled();
  const done = { type: "done", atMs: nowMs(), cpuMs: cpuMs() - before } as const;
  tell({ ...done, wrong: await handled.verdict(), ...handled.latency });
  await stop;
  await receiver.close();
}
async function embedded(system: System): Promise<void> {
  const handled = new Handled(load);
  const { sender, receiver } = await required(system, "embedded")(load, at, handled.take);
  tell({ type: "ready" });
  await go;
  const before = cpuMs();
  tell({ type: "started", atMs: nowMs() });
  const [errors] = await Promise.all([drive(load, sender), receiver.readBack === undefined ? handled.all : undefined]);
  await receiver.settled();
  const done = { type: "done", atMs: nowMs(), cpuMs: cpuMs() - before } as const;
  receiver.readBack?.();
  tell({ ...done, wrong: [...errors, ...(await handled.verdict())], ...handled.latency });
  await stop;
  await sender.close();
  await receiver.close();
}
function required<K extends keyof System>(system: System, part: K): NonNullable<System[K]> {
  const found = system[part];
  if (found === undefined) throw new Error(`${task.system} has no "${part}"`);
  return found;
}

const open = systems[task.system];
if (open === undefined) throw new Error(`which system? found "${task.system}"`);
await { serve, send, receive, embedded }[task.role](await open());
process.disconnect();
process.exit(0);
