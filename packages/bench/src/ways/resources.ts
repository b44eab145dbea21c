import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Measured } from "../frame/row.ts";
import type { Run } from "../frame/run.ts";

/** What is used of its figures. */
interface Findings {
  readonly resources: readonly {
    readonly name: string;
    readonly heapBytesEach: number;
    readonly samples: readonly { readonly size: number; readonly openMs?: number; readonly describeMs?: number }[];
  }[];
}
/** Runs the program behind `npm run resources`, which is where idle queues and connections are measured. */
export async function resources(run: Run): Promise<Measured> {
  const file = join(run.folder, "resources.json");
  const program = fileURLToPath(import.meta.resolve("@seriatim/proof/dist/resources/main.js"));
  let complaint = "";
  await new Promise<void>((resolve) => {
    // It ends with a status when a goal is missed; its figures are there all the same.
    execFile(process.execPath, [program, "--json", file], (_error, _stdout, stderr) => {
      complaint = stderr;
      resolve();
    });
  });
  const text = await readFile(file, "utf8").catch((cause: unknown) => {
    throw new Error(`npm run resources wrote no figures: ${complaint.slice(-500)}`, { cause });
  });
  const figures: Record<string, number> = {};
  for (const { name, heapBytesEach, samples } of (JSON.parse(text) as Findings).resources) {
    figures[`${name}, bytes`] = heapBytesEach;
    const { size, openMs, describeMs } = samples.at(-1) ?? {};
    if (size !== undefined && openMs !== undefined && describeMs !== undefined)
      figures[`${size.toLocaleString("en")} × ${name}, opened and described, ms`] = openMs + describeMs;
  }
  return { cpuMicros: {}, figures };
}
