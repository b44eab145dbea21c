const START = "<!-- charts: written by npm run bench -- --charts -->";
const END = "<!-- end of charts -->";

/** The page with these images between its two marks, or in a section of its own at the end when it has no marks. */
export function withCharts(page: string, images: readonly { readonly title: string; readonly path: string }[]): string {
  const shown = [START, ...images.map(({ title, path }) => `![${title}](${path})`), END].join("\n\n");
  const from = page.indexOf(START);
  const to = page.indexOf(END, from);
  if (from >= 0 && to >= 0) return page.slice(0, from) + shown + page.slice(to + END.length);
  return `${page.trimEnd()}\n\n## Charts\n\n${shown}\n`.trimStart();
}
