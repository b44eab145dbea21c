// Reads docs/protocol.md: what each rule promises, and what keeps and shows it.
import { posix } from "node:path";

export interface RuleTest {
  /** From the repository's root. */
  readonly file: string;
  /** Of an `it` or a `describe` in that file. */
  readonly title: string;
}
export interface Rule {
  /** `14`; or a section's one rule that has none, as `Counting`. */
  readonly name: string;
  readonly title: string;
  readonly promises: readonly string[];
  /** From the repository's root. */
  readonly files: readonly string[];
  readonly tests: readonly RuleTest[];
  readonly mutants: readonly string[];
  /** `part`: some of it is not built yet. */
  readonly built: "all" | "part" | "none";
}

const FOLDER = "docs";
const HEADING = /^### (?:(\d+)\. )?(.+)$/;
const LINK = /\[[^\]]+\]\(([^)]+)\)/g;

/** The rules of the page, in order. @throws when a line below a rule is none that this knows */
export function readRules(page: string): readonly Rule[] {
  const rules: { -readonly [Key in keyof Rule]: Rule[Key] }[] = [];
  for (const [index, line] of page.split("\n").entries()) {
    const heading = HEADING.exec(line);
    if (heading !== null) {
      const [, number, title = ""] = heading;
      const name = number ?? title;
      rules.push({ name, title, promises: [], files: [], tests: [], mutants: [], built: "all" });
      continue;
    }
    const rule = rules.at(-1);
    if (!line.startsWith("- ") || rule === undefined) continue;
    const [, word = "", rest = ""] = /^- ([^:]+)(?:: (.+))?$/.exec(line) ?? [];
    if (word === "Promise") rule.promises = rest.split(", ");
    else if (word === "Kept in") rule.files = linked(rest);
    else if (word === "Test") rule.tests = [...rule.tests, ...testsOf(rest)];
    else if (word === "Mutant") rule.mutants = [...rest.matchAll(/`([^`]+)`/g)].map(([, name = ""]) => name);
    else if (word === "Not built yet") rule.built = rest === "" ? "none" : "part";
    else
      throw new Error(
        `docs/protocol.md:${index + 1}: expected Promise, Kept in, Test, Mutant or Not built yet, found "${word}"`,
      );
  }
  return rules;
}
const linked = (text: string): string[] =>
  [...text.matchAll(LINK)].map(([, target = ""]) => posix.normalize(`${FOLDER}/${target}`));
function testsOf(text: string): RuleTest[] {
  const [file = ""] = linked(text);
  const titles = text.slice(text.indexOf("): ") + 3);
  return titles
    .slice(1, -1)
    .split('"; "')
    .map((title) => ({ file, title }));
}
