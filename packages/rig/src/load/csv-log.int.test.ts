import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { csvLog, timeOf } from "./csv-log.ts";

let dir = "";
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "seriatim-csv-"));
});
afterAll(() => rm(dir, { recursive: true }));
const file = async (name: string, text: string): Promise<string> => {
  await writeFile(join(dir, name), text);
  return join(dir, name);
};
const columns = { key: "Case", time: "At" };

describe("csvLog", () => {
  it("sorts by time, keeps ties in the file's order, and numbers each key's events", async () => {
    const text =
      'Case,Activity,At\nc1,a,2010-01-02 00:00:00\nc1,b,2010-01-02 00:00:00\nc2,x,2010-01-01 10:00:00\nc2,"y, quoted",2010-01-03 00:00:00\n';
    const log = await csvLog({ file: await file("good.csv", `\uFEFF${text}`), ...columns });
    expect(log.events.map(({ id, fields }) => [id, fields["Activity"]])).toEqual([
      ["c2#0", "x"],
      ["c1#0", "a"],
      ["c1#1", "b"],
      ["c2#1", "y, quoted"],
    ]);
  });
  it.each([
    ["no rows", "Case,At\n", "LOG_EMPTY", /has a header but no rows/],
    ["nothing at all", "", "LOG_EMPTY", /is empty/],
    ["another header", "Id,When\n1,2010-01-01\n", "COLUMN_MISSING", /no column "Case"; it has "Id", "When"/],
    [
      "a time that is none",
      "Case,At\nc1,2010-01-01\nc1,soon\n",
      "ROW_INVALID",
      /line 3: "soon" in column "At" is no time/,
    ],
    ["an empty key", "Case,At\n,2010-01-01\n", "ROW_INVALID", /line 2: column "Case" is empty/],
    ["a row that is too short", "Case,At\nc1\n", "ROW_INVALID", /no CSV file/],
  ])("refuses a file with %s", async (_, text, code, message) => {
    await expect(csvLog({ file: await file("bad.csv", text), ...columns })).rejects.toMatchObject({
      code,
      message,
      exitCode: 2,
    });
  });
  it("refuses a file that is not there, and what is no file", async () => {
    await expect(csvLog({ file: join(dir, "absent.csv"), ...columns })).rejects.toMatchObject({ code: "FILE_MISSING" });
    await expect(csvLog({ file: dir, ...columns })).rejects.toMatchObject({ code: "FILE_UNREADABLE" });
  });
});

describe("timeOf", () => {
  it("takes times without a zone as UTC, so that no summer time reorders them", () => {
    expect(timeOf("2010-03-28 02:30:00")).toBe(Date.UTC(2010, 2, 28, 2, 30));
    expect(timeOf("2010-04-01T00:59:00+02:00")).toBe(Date.UTC(2010, 2, 31, 22, 59));
    expect(timeOf("1270083540000")).toBe(1_270_083_540_000);
    expect(timeOf("whenever")).toBeNaN();
  });
});
