import { describe, expect, it } from "vitest";
import { withCharts } from "./page.ts";

const images = [{ title: "Bars", path: "charts/bars.svg" }];
describe("withCharts", () => {
  it("adds a section to a page that has none, and replaces only what is between its marks later", () => {
    const first = withCharts("# Speed\n", images);
    expect(first).toMatch(/^# Speed\n\n## Charts\n\n<!--.*\n\n!\[Bars\]\(charts\/bars\.svg\)\n\n<!--.*-->\n$/);
    const again = withCharts(`${first}\nAfter.\n`, [{ title: "Lines", path: "charts/lines.svg" }]);
    expect(again).toContain("![Lines](charts/lines.svg)");
    expect(again).not.toContain("bars.svg");
    expect(again.match(/## Charts/g)).toHaveLength(1);
    expect(again).toMatch(/^# Speed\n.*\nAfter\.\n$/s);
  });
});
