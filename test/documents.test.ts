// Links of the documents, as a reader follows them: the file is there, the section is in it, and a name in code that is linked to a source is in that source.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { inRepository } from "./program.fixture.ts";

const text = (path: string): string => readFileSync(inRepository(path), "utf8");
const markdownIn = (folder: string): string[] =>
  readdirSync(inRepository(folder))
    .filter((name) => name.endsWith(".md"))
    .map((name) => join(folder, name));
const documents = [".", "docs", ...readdirSync(inRepository("packages")).map((name) => `packages/${name}`)].flatMap(
  markdownIn,
);

interface Link {
  readonly text: string;
  /** From the repository's root. */
  readonly file: string;
  readonly section: string | null;
}
/** Those to files of the repository: not to other places, and not what stands in code. */
function linksOf(path: string): readonly Link[] {
  const prose = text(path).replaceAll(/^```[\s\S]*?^```$/gm, "");
  return [...prose.matchAll(/\[((?:`[^`]*`|[^\]`])*)\]\(([^)\s]+)\)/g)]
    .filter(([, , target = ""]) => !/^[a-z]+:/.test(target))
    .map(([, shown = "", target = ""]) => {
      const [file = "", section = null] = target.split("#");
      return { text: shown, file: file === "" ? path : join(dirname(path), file), section };
    });
}
/** As the places where documents are read make them of headings. */
const sectionsOf = (path: string): readonly string[] =>
  [...text(path).matchAll(/^#+ (.+)$/gm)].map(([, heading = ""]) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
      .replaceAll(" ", "-"),
  );
/** Whether a source declares `name`, or `Class.name` and `Class.#name`: a member of what it declares. */
function declares(source: string, name: string): boolean {
  const [owner = "", member] = name.split(".");
  if (!new RegExp(`^(?:export )?(?:abstract )?(?:class|function|interface|const|type) ${owner}\\b`, "m").test(source))
    return false;
  return member === undefined || new RegExp(`^  (?:(?:static|async|get|readonly) )*${member}\\b`, "m").test(source);
}

describe.each(documents)("%s", (path) => {
  it("links to files that are there", () => {
    expect(linksOf(path).filter(({ file }) => !existsSync(inRepository(file)))).toEqual([]);
  });
  it("links to sections that are there", () => {
    const broken = linksOf(path).filter(
      ({ file, section }) => section !== null && file.endsWith(".md") && !sectionsOf(file).includes(section),
    );
    expect(broken).toEqual([]);
  });
  it("compares no token with ===, which takes longer the more of a guess is right", () => {
    const code = [...text(path).matchAll(/^```[\s\S]*?^```$/gm)].join("\n");
    expect(code.match(/\w*token\w* [!=]==? (?!null|undefined)\S+/gi) ?? []).toEqual([]);
  });
  it("links names to the sources that declare them", () => {
    const named = linksOf(path).filter((link) => link.text.startsWith("`") && link.file.endsWith(".ts"));
    const wrong = named.filter((link) => !declares(text(link.file), link.text.slice(1, -1)));
    expect(wrong).toEqual([]);
  });
});
it("the tour names a good deal of code", () => {
  expect(linksOf("docs/tour.md").filter(({ file }) => file.endsWith(".ts")).length).toBeGreaterThan(40);
});
it("a name that is not declared where it is linked to is told", () => {
  const source = "export class Lane {\n  filled(): void {\n    this.#pump();\n  }\n}\n";
  expect(["Lane", "Lane.filled", "Lane.#pump", "Lan", "filled"].map((name) => declares(source, name))).toEqual([
    true,
    true,
    false,
    false,
    false,
  ]);
});
