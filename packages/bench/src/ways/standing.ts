import type { Measured } from "../frame/row.ts";
import { RUN_MS_MAX, type Run } from "../frame/run.ts";
import { handledBy, rate, refuse, startClocks, warmUp } from "./judged.ts";

/**
 * A consumer meets a backlog, and one more message is sent for each that it handles,
 * so the backlog stays as long as it was. Timed between two messages at the consumer,
 * after the warm-up; what stands at the end is handled and judged outside the time.
 */
export async function standing(run: Run): Promise<Measured> {
  const { load } = run;
  const server = await run.server();
  const sender = await run.role("send", server.address);
  const receiver = await run.role("receive", server.address, { connectsLate: true });
  receiver.onHandled = (count) => sender.tell({ type: "handled", count });
  await warmUp(sender);
  await startClocks(sender);
  await sender.hear("filled", RUN_MS_MAX);
  receiver.tell({ type: "go" });
  const started = await receiver.hear("started", RUN_MS_MAX);
  const sent = await sender.hear("done", RUN_MS_MAX);
  const received = await handledBy(receiver);
  refuse(sent.wrong, received.wrong);
  return {
    messagesPerSecond: rate(load.messages, started.atMs, received.measuredAtMs ?? Number.NaN),
    cpuMicros: {},
  };
}
