import { readFile, writeFile } from "node:fs/promises";
import type { Report } from "../report/figures.ts";
import { type Block, withBlock } from "../report/page.ts";
import { costPage } from "./table.ts";

const COST: Block = {
  start: "<!-- cost: written by npm run bench -- --scenario cost --cost -->",
  end: "<!-- end of cost -->",
};
/**
 * Writes the tables between their marks in the page.
 * @throws RangeError when the run had no row of the scenario, or the page no marks
 */
export async function writeCost(report: Report, page: string, note: string): Promise<void> {
  const written = withBlock(await readFile(page, "utf8"), COST, costPage(report, note));
  if (written === undefined) throw new RangeError(`the page has no place for the costs: expected ${COST.start}`);
  await writeFile(page, written);
}
