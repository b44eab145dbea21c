// npm run resources: the memory that idle connections, idle queues and keys in flight take,
// each in processes of their own.
// Its children are this program again, with `child` as the first word.
import { writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { serveParent } from "@seriatim/rig";
import Table from "cli-table3";
import { Command } from "commander";
import { provenance } from "../provenance.ts";
import { lineThrough } from "./line.ts";
import { Bench, type Resource } from "./measure.ts";
import { subjectOf } from "./subjects.ts";

/** A resource with what one more of it takes, and whether that is what is promised. */
interface Finding extends Resource {
  readonly heapBytesEach: number;
  readonly rssBytesEach: number;
  readonly kept: boolean;
}
function findingOf(resource: Resource): Finding {
  const each = (of: "heapBytes" | "rssBytes") =>
    Math.round(lineThrough(resource.samples.map((sample) => ({ x: sample.size, y: sample[of] }))).slope);
  const heapBytesEach = each("heapBytes");
  const largest = resource.samples.at(-1);
  const ms = (largest?.openMs ?? 0) + (largest?.describeMs ?? 0);
  const kept =
    (resource.goalBytes === null || heapBytesEach <= resource.goalBytes) &&
    (resource.goalMs === null || ms <= resource.goalMs);
  return { ...resource, heapBytesEach, rssBytesEach: each("rssBytes"), kept };
}
const count = (n: number): string => n.toLocaleString("en");

async function main(): Promise<boolean> {
  const { json } = new Command("npm run resources --")
    .description(
      "Measures memory after collection, in processes of their own, over several sizes; one unit is the slope. Ends with status 1 when a goal is missed.",
    )
    .option("--json <file>", "write the figures to this file as one JSON object")
    .parse()
    .opts<{ json?: string }>();
  const madeOn = provenance();
  const bench = new Bench(fileURLToPath(import.meta.url));
  const findings: Finding[] = [];
  const note = (...resources: Resource[]) => {
    for (const finding of resources.map(findingOf)) {
      findings.push(finding);
      console.error(`${finding.name}: ${count(finding.heapBytesEach)} bytes each`);
    }
  };
  for (const store of ["memory", "lmdb"] as const)
    for (const withGroup of [false, true]) note(await bench.queues(store, withGroup));
  note(...(await bench.connections()));
  note(...(await bench.keys()));

  const table = new Table({ head: ["", "sizes", "heap each", "RSS each", "goal", "largest opens in", ""] });
  for (const finding of findings) {
    const { openMs, describeMs } = finding.samples.at(-1) ?? {};
    table.push([
      finding.name,
      finding.samples.map(({ size }) => count(size)).join(", "),
      `${count(finding.heapBytesEach)} B`,
      `${count(finding.rssBytesEach)} B`,
      finding.goalBytes === null ? "" : `${count(finding.goalBytes)} B`,
      openMs === undefined || describeMs === undefined ? "" : `${count(openMs)} + ${count(describeMs)} ms`,
      finding.kept ? "" : "missed",
    ]);
  }
  console.log(table.toString());
  if (json !== undefined) await writeFile(json, `${JSON.stringify({ ...madeOn, resources: findings }, null, 2)}\n`);
  return findings.every(({ kept }) => kept);
}

const [first, name = ""] = process.argv.slice(2);
if (first === "child") serveParent(subjectOf(name));
else process.exitCode = (await main()) ? 0 : 1;
