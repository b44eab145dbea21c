import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { PARTS } from "./parts.ts";

const ROOT = fileURLToPath(new URL("../../../../", import.meta.url));
/** Every file of the proof project, as vitest.config.ts has it. */
const proofs = ["test", ...readdirSync(`${ROOT}packages`).map((name) => `packages/${name}/src`)]
  .flatMap((folder) =>
    readdirSync(ROOT + folder, { recursive: true, encoding: "utf8" }).map((name) =>
      `${folder}/${name}`.replaceAll("\\", "/"),
    ),
  )
  .filter((name) => name.endsWith(".proof.test.ts"));

describe("the parts of the deep tests", () => {
  it("have every file of the proof project, each once", () => {
    expect(PARTS.flatMap(({ files }) => files).toSorted()).toEqual(proofs.toSorted());
  });
  it("are the table of CONTRIBUTING.md", () => {
    const rows = readFileSync(`${ROOT}CONTRIBUTING.md`, "utf8").match(/^\| `\w+` \| \d+ \| [\d.]+ \|/gm);
    expect(rows).toEqual(PARTS.map(({ name, share, minutesMin }) => `| \`${name}\` | ${share} | ${minutesMin} |`));
  });
  it("tell of each seed and mutant that failed the command that runs it alone", () => {
    const order = { minutes: 1, hash: "abc", json: "" };
    const again = (name: string, report: unknown) =>
      PARTS.find((part) => part.name === name)?.outcome(report, order).again;
    const run = { seeds: 400, messages: 200_000, failed: [], never: ["tailLost"] };
    expect(again("simulation", run)).toEqual([]); // so few need not meet everything
    expect(again("simulation", { ...run, seeds: 1_000, messages: 500_000 })).toEqual([
      "npm run sim -- --seeds 1000 --drawn abc",
    ]);
    expect(again("simulation", { ...run, failed: [{ seed: 7 }] })).toEqual(["npm run sim -- --seed 7 --trace"]);
    expect(
      again("mutants", {
        mutants: [
          { name: "a", caught: true },
          { name: "b", caught: false },
        ],
        notReached: [],
      }),
    ).toEqual(["npm run mutants -- --only b"]);
    expect(again("fuzz", { targets: [{ target: "json", seed: 7, inputs: 1, finding: { error: "x" } }] })).toEqual([
      "npm run fuzz -- --target json --seed 7",
    ]);
    const test = (status: string) => ({
      name: "/x/test/documents.proof.test.ts",
      status,
      assertionResults: [{ title: "is so", status }],
    });
    expect(again("documents", { testResults: [test("failed")] })).toEqual([
      'npx vitest run --project proof test/documents.proof.test.ts -t "is so"',
    ]);
    expect(again("documents", { testResults: [test("passed")] })).toEqual([]);
  });
});
