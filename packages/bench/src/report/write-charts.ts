import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { chartFiles, chartsOf } from "./charts.ts";
import type { Report } from "./figures.ts";
import { withCharts } from "./page.ts";

const FOLDER = "charts";

/**
 * Writes an SVG for each kind of figure the report has into a folder beside the page,
 * and shows all charts of that folder in the page.
 * @returns the files written
 */
export async function writeCharts(report: Report, page: string): Promise<readonly string[]> {
  const folder = join(dirname(page), FOLDER);
  await mkdir(folder, { recursive: true });
  const charts = chartsOf(report);
  for (const { file, svg } of charts) await writeFile(join(folder, file), svg);
  const present = new Set(await readdir(folder)); // those of earlier runs stay
  const images = chartFiles
    .filter(({ file }) => present.has(file))
    .map(({ file, title }) => ({ title, path: `${FOLDER}/${file}` }));
  const text = await readFile(page, "utf8").catch(() => "");
  await writeFile(page, withCharts(text, images));
  return [...charts.map(({ file }) => join(folder, file)), page];
}
