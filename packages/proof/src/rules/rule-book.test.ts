import { describe, expect, it } from "vitest";
import { readRules } from "./rule-book.ts";

const PAGE = `# Protocol rules

## 1. A section

### 1. First

Text, of which
- nothing

is read.

- Promise: P4, P7
- Kept in: [a.ts](../packages/a.ts), [b.ts](../b.ts)
- Test: [a.test.ts](../packages/a.test.ts): "one (with a bracket): and a colon"; "two"
- Test: [b.test.ts](../b.test.ts): "three"
- Mutant: \`one\`, \`two\`
- Not built yet: a part

### 2. Second

- Promise: P1
- Not built yet

### Counting
`;

describe("the rules of the page", () => {
  it("are read with what keeps and shows them", () => {
    const rules = readRules(PAGE.replace("- nothing\n", ""));
    const nothing = { promises: [], files: [], tests: [], mutants: [] };
    expect(rules).toEqual([
      {
        name: "1",
        title: "First",
        promises: ["P4", "P7"],
        files: ["packages/a.ts", "b.ts"],
        tests: [
          { file: "packages/a.test.ts", title: "one (with a bracket): and a colon" },
          { file: "packages/a.test.ts", title: "two" },
          { file: "b.test.ts", title: "three" },
        ],
        mutants: ["one", "two"],
        built: "part",
      },
      { ...nothing, name: "2", title: "Second", promises: ["P1"], built: "none" },
      { ...nothing, name: "Counting", title: "Counting", built: "all" },
    ]);
  });
  it("are refused with a line that says none of what a rule has", () => {
    expect(() => readRules(PAGE)).toThrow(
      'docs/protocol.md:8: expected Promise, Kept in, Test, Mutant or Not built yet, found "nothing"',
    );
  });
});
