import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { BUGS } from "./bugs.ts";
import { renderPage } from "./render.ts";
import { chaosFile, fuzzFile, mutantsFile, resourcesFile, simulationFile, soakFile } from "./results.fixture.ts";
import { readResults } from "./results.ts";

const ROOT = new URL("../../../../", import.meta.url);
const textOf = (path: string): string => readFileSync(new URL(path, ROOT), "utf8");

describe("docs/proof.md", () => {
  it("is what the results render to: run `npm run proof`, edit nothing by hand", () => {
    const results = readResults(fileURLToPath(new URL("packages/proof/results", ROOT)));
    expect(textOf("docs/proof.md") === renderPage(results)).toBe(true);
  });
});

describe("the page of proof", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "seriatim-proof-"));
  });
  afterEach(() => rmSync(folder, { recursive: true }));
  const write = (name: string, content: unknown): void => writeFileSync(join(folder, name), JSON.stringify(content));
  const rendered = (): string => renderPage(readResults(folder));

  it("has every section without any result, and says that nothing was run yet", () => {
    const page = renderPage(readResults(join(folder, "missing")));
    for (const heading of [
      "Simulation",
      "Mutants",
      "Process chaos",
      "Hostile clients",
      "Resources",
      "Soak",
      "Bugs found",
    ])
      expect(page).toMatch(new RegExp(`^##+ ${heading}`, "m"));
    expect(page.match(/not run yet/g)?.length).toBeGreaterThan(10);
    expect(page).not.toMatch(/undefined|NaN|null/);
  });
  it("shows what each command wrote", () => {
    write("simulation.json", simulationFile(1, 1_000));
    write("mutants.json", mutantsFile);
    write("chaos.json", chaosFile());
    write("fuzz.json", fuzzFile);
    write("resources.json", resourcesFile);
    write("soak.json", soakFile);
    const page = rendered();
    for (const line of [
      "| messages | 600,000 | not run yet |",
      "| virtual hours | 10 | not run yet |",
      "| made on | Node 20.1.2, 2 cores, 2026-01-02, commit abc1234 | not run yet |",
      "| `kill` | a process, or the broker, dies at once and comes back | 2,000 |  |",
      "| `handledAgain` | a message was handled again after a handler had ended well | 3,000 |  |",
      "| `ack-before-commit` | breaks ack-before-commit | 4 | P3 |",
      "| `plan-by-arrival` | breaks plan-by-arrival | - | test |",
      "| `lost-cause` | breaks lost-cause | none of 200 | **escaped** |",
      "| kills | 1,234 |",
      "| P1 | 7,000 | 0 |",
      "| P3 | 0 | 1 |",
      "| `kill-broker` | 1,234 | 1,500 | 2,900 |",
      "| `binary` | 7 | 10 | 4,000,000 | 1 | 3,999,999 | 12 | none |",
      "| `json` | 7 | 10 | 5 | 2 | 3 | 1 | hung |",
      "| idle queue, memory store | 10, 10,000 | 5,432 | 5,000 | 6,543 | 1,001 + 202 | missed |",
      "| broker heap | 12.3 MB | 12.4 MB | 0.1 MB | flat |",
    ])
      expect(page).toContain(`${line}\n`);
    expect(page).toContain("3 of 4 caught. Seeds needed: median 2.5, 4 at most.");
    expect(page).toContain("Seed 1 at 1,000 messages a second: 15.5 minutes of 60 asked for: **violated**.");
    expect(page).toContain("34,567,890 messages, 0 wrong. Passed.");
    expect(page).not.toMatch(/undefined|NaN|null/);
  });
  it("sums long simulations over ranges of seeds, and shows what failed in them", () => {
    write("simulation-long-2.json", simulationFile(301, 200, 400));
    write("simulation-long-1.json", simulationFile(1, 300));
    const page = rendered();
    expect(page).toContain("| seeds | not run yet | 500 |\n");
    expect(page).toContain("| seeds from, to | not run yet | 1 to 300; 301 to 500 |\n");
    expect(page).toContain("| messages | not run yet | 300,000 |\n");
    expect(page).toContain("| real minutes | not run yet | 3 |\n");
    expect(page).toContain("| seeds with a violation | not run yet | 1 |\n");
    expect(page).toContain("| 400 | P4 | two owners \\| at once |\n");
  });
  it("shows what seeds were drawn from, where they are no range", () => {
    const { from: _from, ...drawn } = simulationFile(1, 200) as { from: number };
    write("simulation.json", { ...drawn, drawnFrom: "0123456789abcdef0123456789abcdef01234567" });
    expect(rendered()).toContain("| seeds from, to | drawn from 0123456789ab | not run yet |\n");
  });
  it("counts no seed twice, nor what was drawn twice", () => {
    const { from: _from, ...drawn } = simulationFile(1, 20) as { from: number };
    for (const name of ["a", "b"]) write(`simulation-long-${name}.json`, { ...drawn, drawnFrom: "0123" });
    expect(rendered).toThrow("simulation-long-a.json and results/simulation-long-b.json are both drawn from 0123");
    for (const name of ["a", "b"]) rmSync(join(folder, `simulation-long-${name}.json`));
    write("simulation-long-1.json", simulationFile(1, 300));
    write("simulation-long-2.json", simulationFile(300, 10));
    expect(rendered).toThrow("results/simulation-long-1.json and results/simulation-long-2.json both have seed 300");
  });
  it("takes files that do not say where they were made, and the plain list of mutants", () => {
    const {
      node: _node,
      cores: _cores,
      date: _date,
      commit: _commit,
      seconds: _seconds,
      ...bare
    } = chaosFile() as Record<string, unknown>;
    write("chaos.json", bare);
    write("mutants.json", mutantsFile.mutants);
    expect(rendered()).toContain("Node version not recorded, cores not recorded.");
    expect(rendered()).toContain("asked for 60 minutes, time taken not recorded");
  });
  it("refuses a file that is not what its command writes, and says where", () => {
    write("soak.json", { ...soakFile, messages: "many" });
    expect(rendered).toThrow(/results\/soak\.json is not what its command writes:[\s\S]*number[\s\S]*messages/);
    writeFileSync(join(folder, "soak.json"), "{");
    expect(rendered).toThrow(/results\/soak\.json is no JSON/);
  });
  it("refuses a name that no command's results have", () => {
    write("simulaton.json", simulationFile(1, 1));
    expect(rendered).toThrow(/expected files named simulation\.json.*found simulaton\.json/);
  });
});

describe("the bugs on it", () => {
  const regressions = textOf("packages/proof/src/sim/regressions.ts");
  it.each(BUGS)("$broke: is kept as it says", ({ kept }) => {
    if (kept === null) return;
    if ("regression" in kept) expect(regressions).toContain(`{"seed":${kept.regression},`);
    else expect(textOf(kept.file)).toContain(kept.test);
  });
  it("have every regression plan among them", () => {
    const seeds = [...regressions.matchAll(/\{"seed":(\d+),/g)].map(([, seed]) => Number(seed));
    expect(seeds.length).toBeGreaterThan(0);
    const named = BUGS.flatMap(({ kept }) => (kept !== null && "regression" in kept ? [kept.regression] : []));
    expect(named.toSorted()).toEqual(seeds.toSorted());
  });
});
