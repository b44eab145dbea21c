// npm run soak: broker, producer and consumer at half of their peak for as long as asked;
// memory, handles and the store must stay flat, and the order right.
// Its children are this program again, with `child` as the first word.
import { writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { serveParent } from "@seriatim/rig";
import Table from "cli-table3";
import { Command } from "commander";
import { numberAbove0 } from "../number-option.ts";
import { provenance } from "../provenance.ts";
import { roleOf } from "./roles.ts";
import { soak } from "./soak.ts";

async function main(): Promise<boolean> {
  const options = new Command("npm run soak --")
    .description(
      "Runs broker, producer and consumer over WebSocket and LMDB at half of the load they can take, and looks at memory after collection,\nhandles and the store. Flat: the last third is within 5 % of the middle third, or rises by less than 1 MB an hour. Ends with status 1 otherwise.",
    )
    .option("--minutes <n>", "how long", numberAbove0, 20)
    .option("--peak-seconds <n>", "how long the peak is looked for at the start", numberAbove0, 20)
    .option("--every <seconds>", "between two looks", numberAbove0, 60)
    .option("--json <file>", "write the figures to this file as one JSON object")
    .parse()
    .opts<{ minutes: number; peakSeconds: number; every: number; json?: string }>();
  const { minutes, peakSeconds, every: everySeconds } = options;
  const madeOn = provenance();
  const report = await soak(fileURLToPath(import.meta.url), {
    minutes,
    peakSeconds,
    everySeconds,
    log: (text) => console.error(text),
  });
  const table = new Table({ head: ["", "first", "last", "per hour", ""] });
  for (const { name, first, last, perHour, flat } of report.verdicts) {
    const isBytes = name === "store" || name.endsWith(" heap");
    const text = (value: number) => (isBytes ? `${(value / 1e6).toFixed(1)} MB` : value.toFixed(0));
    table.push([name, text(first), text(last), text(perHour), flat ? "flat" : "not flat"]);
  }
  console.log(table.toString());
  console.log(
    `${report.messages.toLocaleString("en")} messages in order; peak ${report.peakPerSecond}/s, soaked at ${report.handledPerSecond}/s`,
  );
  for (const wrong of report.wrong) console.log(`wrong: ${wrong}`);
  if (options.json !== undefined)
    await writeFile(options.json, `${JSON.stringify({ ...madeOn, ...report }, null, 2)}\n`);
  return report.passed;
}

const [first, name = ""] = process.argv.slice(2);
if (first === "child") serveParent(roleOf(name));
else process.exitCode = (await main()) ? 0 : 1;
