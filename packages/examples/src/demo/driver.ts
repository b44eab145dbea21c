import { writeFile } from "node:fs/promises";
import { csvLog, type EventLog, generatedLog, ProgramError } from "@seriatim/rig";
import { LiveView } from "./live-view.ts";
import { parseOptions } from "./options.ts";
import { PlainView } from "./plain-view.ts";
import { isGood } from "./report.ts";
import { reportText } from "./report-text.ts";
import { runDemo } from "./run-demo.ts";
import { type DemoOptions, replayRate } from "./settings.ts";
import type { View } from "./view.ts";
import { workFolders } from "./work-folders.ts";

/** The driver: does what the arguments ask, and resolves with the exit status. */
export async function drive(args: readonly string[]): Promise<number> {
  const options = parseOptions(args);
  if (options === "help") return 0;
  const interrupted = new AbortController();
  let signals = 0;
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.on(signal, () => {
      if (++signals > 1) process.exit(130); // asked twice: at once
      interrupted.abort(new ProgramError("INTERRUPTED", "interrupted"));
    });
  process.stdout.on("error", () =>
    interrupted.abort(new ProgramError("INTERRUPTED", "nobody reads the output any more")),
  );
  const log = await openLog(options);
  await using folders = await workFolders(options);
  const view: View = process.stdout.isTTY ? new LiveView(process.stdout) : new PlainView((line) => console.log(line));
  try {
    view.say(introduction(options, log));
    const { report, violations } = await runDemo(options, log, folders, view, interrupted.signal);
    view.close();
    console.log(reportText(report, violations));
    if (folders.reportFile !== null) {
      await writeFile(folders.reportFile, `${JSON.stringify(report, null, 2)}\n`);
      console.log(`Histories and report.json are in ${options.out}.`);
    }
    if (options.json) console.log(JSON.stringify(report));
    return isGood(report) ? 0 : 1;
  } finally {
    view.close();
  }
}

const openLog = ({ input, seed, orders }: DemoOptions): Promise<EventLog> | EventLog =>
  input === null ? generatedLog({ seed, orders }) : csvLog(input);

function introduction(options: DemoOptions, log: EventLog): string {
  const { producers, consumers, queues, transport, seed, faults } = options;
  const events = log.events.length;
  return [
    `${events.toLocaleString("en")} events of ${log.keys.size.toLocaleString("en")} keys (${log.source}), ${replayRate(options, events).toLocaleString("en")} a second.`,
    `1 broker, ${producers} producers, ${consumers} consumers, ${queues} queues, ${transport === "ws" ? "processes over WebSocket" : "all in one process"}, ${faults ? `faults from seed ${seed}` : `no faults, seed ${seed}`}.`,
  ].join("\n");
}
