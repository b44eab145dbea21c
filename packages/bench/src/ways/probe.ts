import type { Measured } from "../frame/row.ts";
import { RUN_MS_MAX, type Run } from "../frame/run.ts";

export async function probe(run: Run): Promise<Measured> {
  const one = await run.role("probe", "");
  one.tell({ type: "go" });
  const { latency, figures } = await one.hear("probed", RUN_MS_MAX);
  return {
    cpuMicros: {},
    ...(latency === undefined ? {} : { latency }),
    ...(figures === undefined ? {} : { figures }),
  };
}
