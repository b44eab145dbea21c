// docs/history.md against the parser: every type and field that one knows, the other has.
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { FIELDS, LINE } from "../packages/testing/src/history/read-event.ts";
import { quoted, tableOf } from "./documents.fixture.ts";
import { inRepository } from "./program.fixture.ts";

const PAGE = "docs/history.md";
const types = tableOf(PAGE, "type | written by | when | carries");
const events = readFileSync(inRepository("packages/testing/src/history/history-event.ts"), "utf8");
/** Of all lines, as the event types declare them, needed or not. */
const declared = new Set(
  [...events.matchAll(/^ {2}readonly (\w+)\??:/gm)].map(([, name = ""]) => name).filter((name) => name !== ""),
);

describe("docs/history.md", () => {
  it("has every type of line, and no other", () => {
    expect(types.map(([type]) => quoted(type)[0])).toEqual(Object.keys(FIELDS));
  });
  it.each(Object.entries(FIELDS))("says what a line of type %s carries", (type, fields) => {
    const row = types.find(([name]) => quoted(name)[0] === type);
    const carried = Object.entries(fields).map(([name, kind]) => (kind.endsWith("?") ? `${name}?` : name));
    expect([...quoted(row?.[3])].sort()).toEqual(carried.sort());
  });
  it("explains every field, and no other", () => {
    const explained = [
      ...tableOf(PAGE, "field | kind | meaning"),
      ...tableOf(PAGE, "setting | default | used by"),
    ].flatMap(([names]) => quoted(names));
    const known = new Set([...declared, ...Object.keys(LINE), ...Object.values(FIELDS).flatMap(Object.keys)]);
    expect([...new Set(explained)].sort()).toEqual([...known].sort());
  });
});
