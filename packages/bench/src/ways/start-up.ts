import { freePort } from "@seriatim/rig";
import { nowMs } from "../frame/message.ts";
import type { Measured } from "../frame/row.ts";
import { RUN_MS_MAX, type Run } from "../frame/run.ts";
import { handledBy, refuse, startClocks, warmUp } from "./judged.ts";

/**
 * Times run from the start of the broker's process, which takes some itself: a row with little stored tells how much.
 */
export async function startUp(run: Run): Promise<Measured> {
  const port = String(await freePort());
  const first = await run.broker(port);
  const sender = await run.role("send", first.address);
  await warmUp(sender);
  await startClocks(sender);
  const sent = await sender.hear("done", RUN_MS_MAX);
  refuse(sent.wrong);
  await sender.end();
  await first.stop();
  const receiver = await run.role("receive", first.address, { connectsLate: true });
  const startedAtMs = nowMs();
  await run.broker(port);
  const answersMs = nowMs() - startedAtMs;
  receiver.tell({ type: "go" });
  const received = await handledBy(receiver, RUN_MS_MAX);
  refuse(received.wrong);
  const firstMs = (received.firstAtMs ?? Number.NaN) - startedAtMs;
  return { cpuMicros: {}, figures: { "broker answers after, ms": answersMs, "first delivery after, ms": firstMs } };
}
