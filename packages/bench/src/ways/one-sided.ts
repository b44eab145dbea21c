import type { Measured, RunningServer } from "../frame/row.ts";
import { RUN_MS_MAX, type Run } from "../frame/run.ts";
import { MemoryWatch, type ServerMemory } from "../frame/server-memory.ts";
import { sentOf } from "../frame/system.ts";
import { cpuPerMessage, difference, handledBy, rate, refuse, startClocks, warmUp } from "./judged.ts";

/** All is sent, then all is handled; either is timed. */
async function oneSided(run: Run, timed: "sending" | "draining"): Promise<Measured> {
  const { load, row } = run;
  const server = await run.server();
  const memory = row.watchesMemory === true ? await memoryFigures(server) : undefined;
  const sender = await run.role("send", server.address);
  await warmUp(sender);
  const servedBefore = await server.cpuMs();
  const startedAtMs = await startClocks(sender);
  const sent = await sender.hear("done", RUN_MS_MAX);
  refuse(sent.wrong);
  const servedAfter = await server.cpuMs();
  const receiver = await run.role("receive", server.address, { connectsLate: true });
  await memory?.stands();
  receiver.tell({ type: "go" });
  const handling = await receiver.hear("started", RUN_MS_MAX);
  const handlingServed = await server.cpuMs();
  const received = await handledBy(receiver, RUN_MS_MAX);
  refuse(received.wrong);
  const figures = memory === undefined ? {} : { figures: memory.end(sentOf(load) * load.bytes) };
  if (timed === "sending")
    return {
      messagesPerSecond: rate(load.messages, startedAtMs, sent.atMs),
      cpuMicros: cpuPerMessage(load, { producer: sent.cpuMs, server: difference(servedBefore, servedAfter) }),
      ...figures,
    };
  return {
    messagesPerSecond: rate(load.messages, handling.atMs, received.atMs),
    cpuMicros: cpuPerMessage(load, {
      consumer: received.cpuMs,
      server: difference(handlingServed, await server.cpuMs()),
    }),
    ...figures,
  };
}
export const sending = (run: Run): Promise<Measured> => oneSided(run, "sending");
export const draining = (run: Run): Promise<Measured> => oneSided(run, "draining");

const megabytes = (bytes = Number.NaN): number => bytes / 1_000_000;
async function memoryFigures(server: RunningServer) {
  const empty = await server.memory();
  const watch = new MemoryWatch(() => server.memory());
  let standing: ServerMemory | undefined;
  return {
    stands: async (): Promise<void> => {
      standing = await server.memory();
    },
    end(backlogBytes: number): Record<string, number> {
      const largest = watch.end();
      const figures = {
        "backlog, MB": megabytes(backlogBytes),
        "memory before, MB": megabytes(empty?.anonymous),
        "memory with the backlog standing, MB": megabytes(standing?.anonymous),
        "memory, largest, MB": megabytes(largest?.anonymous),
        "with pages of mapped files, largest, MB": megabytes(largest?.rss),
      };
      return Object.fromEntries(Object.entries(figures).filter(([, value]) => !Number.isNaN(value)));
    },
  };
}
