import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ChildRole } from "./child-role.ts";
import { leftBehind } from "./left-behind.ts";
import type { Measured, Row, RunningServer } from "./row.ts";
import type { Load } from "./system.ts";
import type { RoleName } from "./talk.ts";

const READY_MS_MAX = 120_000;
const RUN_MS_MAX = 600_000;
/** What has not been handled so long after the last acknowledgement of a send counts as lost. */
const DRAIN_MS_MAX = 120_000;

/** One run of one row: from the first send to the last acknowledgement. @throws when order, loss, a repetition or a send was wrong */
export async function measure(row: Row, load: Load): Promise<Measured> {
  const folder = await mkdtemp(join(tmpdir(), "seriatim-bench-"));
  leftBehind.folders.add(folder);
  const roles: ChildRole[] = [];
  let server: RunningServer | undefined;
  const start = (role: RoleName, address: string): ChildRole => {
    const child = new ChildRole({ system: row.system, role, load, at: { address, folder, variant: row.variant } });
    roles.push(child);
    return child;
  };
  const perMessage = (cpuMs: number): number => (cpuMs * 1000) / load.messages;
  try {
    if (row.embedded === true) {
      const both = start("embedded", "");
      await both.hear("ready", READY_MS_MAX);
      both.tell({ type: "go" });
      const started = await both.hear("started", READY_MS_MAX);
      const done = await both.hear("done", RUN_MS_MAX);
      refuse(done.wrong);
      return result(load, started.atMs, done.atMs, { process: perMessage(done.cpuMs) }, done.latency);
    }
    server = row.startServer === undefined ? await ownServer(start) : await row.startServer(folder, row.variant);
    const receiver = start("receive", server.address);
    await receiver.hear("ready", READY_MS_MAX);
    const sender = start("send", server.address);
    await sender.hear("ready", READY_MS_MAX);
    const servedBefore = await server.cpuMs();
    receiver.tell({ type: "go" });
    sender.tell({ type: "go" });
    const started = await sender.hear("started", READY_MS_MAX);
    const sent = await sender.hear("done", RUN_MS_MAX);
    const drained = setTimeout(() => receiver.tell({ type: "judge" }), DRAIN_MS_MAX);
    const received = await receiver.hear("done", RUN_MS_MAX).finally(() => clearTimeout(drained));
    refuse([...sent.wrong, ...received.wrong]);
    const servedAfter = await server.cpuMs();
    const cpu: Record<string, number> = { producer: perMessage(sent.cpuMs), consumer: perMessage(received.cpuMs) };
    if (servedBefore !== undefined && servedAfter !== undefined) cpu["server"] = perMessage(servedAfter - servedBefore);
    return result(load, started.atMs, Math.max(sent.atMs, received.atMs), cpu, received.latency);
  } finally {
    await Promise.all(roles.slice(1).map((role) => role.end()));
    await roles[0]?.end();
    await server?.stop();
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
    leftBehind.folders.delete(folder);
  }
}
/** The broker as a process of the bench; it is told to stop, and stopped, with the other roles. */
async function ownServer(start: (role: RoleName, address: string) => ChildRole): Promise<RunningServer> {
  const broker = start("serve", "");
  const { address = "" } = await broker.hear("ready", READY_MS_MAX);
  broker.tell({ type: "go" });
  return { address, cpuMs: () => broker.cpuMs(), stop: async () => {} };
}
function refuse(wrong: readonly string[]): void {
  if (wrong.length > 0) throw new Error(`the run is not valid: ${wrong.slice(0, 3).join("; ")}`);
}
function result(
  load: Load,
  fromMs: number,
  toMs: number,
  cpuMicros: Measured["cpuMicros"],
  latency: Measured["latency"],
): Measured {
  const measured = { messagesPerSecond: load.messages / ((toMs - fromMs) / 1000), cpuMicros };
  return latency === undefined ? measured : { ...measured, latency };
}
