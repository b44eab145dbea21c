/** A part of a page that a command writes: what stands between two marks. */
export interface Block {
  readonly start: string;
  readonly end: string;
}
const CHARTS: Block = {
  start: "<!-- charts: written by npm run bench -- --charts -->",
  end: "<!-- end of charts -->",
};

/** The page with this text between the marks of the block, or undefined when it has no such marks. */
export function withBlock(page: string, { start, end }: Block, text: string): string | undefined {
  const from = page.indexOf(start);
  const to = page.indexOf(end, from);
  if (from < 0 || to < 0) return undefined;
  return `${page.slice(0, from)}${start}\n\n${text}\n\n${page.slice(to)}`;
}
/** The page with these images between its two marks, or in a section of its own at the end when it has no marks. */
export function withCharts(page: string, images: readonly { readonly title: string; readonly path: string }[]): string {
  const shown = images.map(({ title, path }) => `![${title}](${path})`).join("\n\n");
  return (
    withBlock(page, CHARTS, shown) ??
    `${page.trimEnd()}\n\n## Charts\n\n${CHARTS.start}\n\n${shown}\n\n${CHARTS.end}\n`.trimStart()
  );
}
