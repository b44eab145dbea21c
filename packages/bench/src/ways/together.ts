import { expectedOf } from "../frame/arrivals.ts";
import type { ChildRole } from "../frame/child-role.ts";
import { judgePieces } from "../frame/pieces.ts";
import type { Measured } from "../frame/row.ts";
import { RUN_MS_MAX, type Run } from "../frame/run.ts";
import type { Done } from "../frame/talk.ts";
import { trafficOf, trafficPerMessage } from "../frame/traffic.ts";
import { cpuPerMessage, difference, handledBy, rate, refuse, startClocks, warmUp } from "./judged.ts";

export async function together(run: Run): Promise<Measured> {
  const { load } = run;
  const server = await run.server();
  const alone = await server.memory();
  if (load.idle > 0) await run.role("idle", server.address);
  const beside = await server.memory();
  const receivers: ChildRole[] = [];
  while (receivers.length < load.consumers) receivers.push(await run.role("receive", server.address));
  const sender = await run.role("send", server.address);
  await warmUp(sender, receivers);
  const processes = {
    folder: run.folder,
    producer: sender.pid,
    consumers: receivers.map(({ pid }) => pid),
    broker: server.pid,
  };
  const trafficBefore = await trafficOf(processes);
  const servedBefore = await server.cpuMs();
  const startedAtMs = await startClocks(sender, receivers);
  const sent = await sender.hear("done", RUN_MS_MAX);
  for (const receiver of receivers) receiver.tell({ type: "sent" });
  const received = await Promise.all(receivers.map((receiver) => handledBy(receiver)));
  refuse(sent.wrong, ...received.map(({ wrong }) => wrong));
  if (received.length > 1) refuse(judgePieces(piecesOf(received), expectedOf(load)).verdict());
  const latency = received[0]?.latency;
  return {
    messagesPerSecond: rate(load.messages, startedAtMs, Math.max(sent.atMs, ...received.map(({ atMs }) => atMs))),
    cpuMicros: cpuPerMessage(load, {
      producer: sent.cpuMs,
      consumer: received.reduce((sum, { cpuMs }) => sum + cpuMs, 0),
      server: difference(servedBefore, await server.cpuMs()),
    }),
    ...(latency === undefined ? {} : { latency }),
    traffic: trafficPerMessage(trafficBefore, await trafficOf(processes), load.messages),
    ...(load.idle > 0 && alone !== undefined && beside !== undefined
      ? {
          figures: {
            "broker's RSS per idle connection, with what was not yet collected, KB":
              (beside.anonymous - alone.anonymous) / load.idle / 1_000,
          },
        }
      : {}),
  };
}
const piecesOf = (received: readonly Done[]) => received.flatMap(({ pieces }) => pieces ?? []);
