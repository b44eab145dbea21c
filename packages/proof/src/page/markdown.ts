/** One column: its heading, and whether it holds figures. */
export type Column = string | { readonly figures: string };

const cell = (text: string): string => text.replaceAll("|", "\\|").replaceAll(/\s+/g, " ").trim();
const row = (cells: readonly string[]): string => `| ${cells.map(cell).join(" | ")} |`;

export function table(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const head = columns.map((column) => (typeof column === "string" ? column : column.figures));
  const rules = columns.map((column) => (typeof column === "string" ? "---" : "---:"));
  return [row(head), row(rules), ...rows.map(row)].join("\n");
}
/** With thousands separators, and at most that many digits behind the point. */
export const count = (value: number, digits = 0): string =>
  value.toLocaleString("en-US", { maximumFractionDigits: digits });
export const code = (text: string): string => `\`${text}\``;
export const list = (items: readonly string[]): string => items.map((item) => `- ${item}`).join("\n");
/** Lines of one paragraph. */
export const prose = (...sentences: readonly string[]): string => sentences.join(" ");
export const NOT_RUN = "not run yet";
