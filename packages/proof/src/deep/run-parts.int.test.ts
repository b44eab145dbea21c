import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Part } from "./part.ts";
import { runParts } from "./run-parts.ts";

describe("the deep tests run their parts", () => {
  let root: string;
  const said: string[] = [];
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "seriatim-deep-test-"));
    said.length = 0;
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));
  /** A program that writes `report` and then does `then`. */
  const part = (name: string, then: string, over: Partial<Part> = {}): Part => {
    writeFileSync(
      join(root, `${name}.mjs`),
      `import { writeFileSync } from "node:fs";
const [json, minutes, hash] = process.argv.slice(2);
writeFileSync(json, JSON.stringify({ minutes, hash }));
${then}
`,
    );
    return {
      name,
      about: `does ${name}`,
      share: 30,
      minutesMin: 0.01,
      isFixed: false,
      files: [],
      command: ({ json, minutes, hash }) => ({ args: [`${name}.mjs`, json, `${minutes}`, hash] }),
      outcome: (report) => ({ did: JSON.stringify(report), isWhole: true, again: [] }),
      ...over,
    };
  };
  const run = (parts: readonly Part[], minutes: number) =>
    runParts(root, parts, { minutes, hash: "abc", say: (text) => said.push(text.split(":")[0] ?? ""), lateMinutes: 0 });

  it("those of fixed length first, the first of the table last, each told its minutes and the hash", async () => {
    const [seeds, files, fuzz] = await run(
      [part("seeds", ""), part("files", "", { isFixed: true }), part("fuzz", "")],
      60,
    );
    expect(said).toEqual(["files", "fuzz", "seeds"]);
    expect([seeds?.verdict, files?.verdict, fuzz?.verdict]).toEqual(["passed", "passed", "passed"]);
    expect(files?.minutesGiven).toBe(0.01);
    expect(fuzz?.minutesGiven).toBeLessThan(31);
    expect(seeds?.minutesGiven).toBeGreaterThan(58); // what the others did not need
    expect(seeds?.did).toContain('"hash":"abc"');
  });
  it("and name what failed: its cases, or the whole of it", async () => {
    const [one, other] = await run(
      [
        part("one", "process.exit(1);", {
          outcome: () => ({ did: "", isWhole: true, again: ["npm run sim -- --seed 7"] }),
        }),
        part("other", "process.exit(1);"),
      ],
      60,
    );
    expect(one).toMatchObject({ verdict: "FAILED", again: ["npm run sim -- --seed 7"] });
    expect(other).toMatchObject({ verdict: "FAILED", again: [expect.stringMatching(/^node other\.mjs /)] });
  });
  it("and end what does not end, which is then cut, and leave out what does not fit", async () => {
    const [endless, late] = await run(
      [part("endless", "setInterval(() => {}, 1_000);"), part("late", "", { minutesMin: 5 })],
      0.05,
    );
    expect(endless).toMatchObject({ verdict: "cut", again: [] });
    expect(late).toMatchObject({ verdict: "not reached", minutesGiven: 0 });
    expect(said).toEqual(["endless"]);
  });
});
