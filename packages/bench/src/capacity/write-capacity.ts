import { readFile, writeFile } from "node:fs/promises";
import type { Report } from "../report/figures.ts";
import { withBlock } from "../report/page.ts";
import { sectionsOf } from "./sections.ts";

/**
 * Writes the tables of the model between their marks in the page.
 * @throws RangeError when the run had not all rows, or the page not all marks, that it needs
 */
export async function writeCapacity(report: Report, page: string): Promise<void> {
  await writeFile(page, withSections(await readFile(page, "utf8"), sectionsOf(report)));
}
export function withSections(page: string, sections: ReadonlyMap<string, string>): string {
  return [...sections].reduce((text, [name, section]) => {
    const start = `<!-- capacity ${name}: written by npm run bench -- --capacity -->`;
    const written = withBlock(text, { start, end: `<!-- end of capacity ${name} -->` }, section);
    if (written === undefined) throw new RangeError(`the page has no place for "${name}": expected ${start}`);
    return written;
  }, page);
}
