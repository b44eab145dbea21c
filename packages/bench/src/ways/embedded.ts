import type { Measured } from "../frame/row.ts";
import { RUN_MS_MAX, type Run } from "../frame/run.ts";
import { cpuPerMessage, rate, refuse } from "./judged.ts";

export async function embedded(run: Run): Promise<Measured> {
  const { load } = run;
  const both = await run.role("embedded", "");
  both.tell({ type: "go" });
  const started = await both.hear("started", RUN_MS_MAX);
  const done = await both.hear("done", RUN_MS_MAX);
  refuse(done.wrong);
  return {
    messagesPerSecond: rate(load.messages, started.atMs, done.atMs),
    cpuMicros: cpuPerMessage(load, { process: done.cpuMs }),
  };
}
