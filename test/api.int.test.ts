// The documents say what is so; their examples type-check, and the README's runs. All of them are run by documents.proof.test.ts.
import { readFileSync } from "node:fs";
import { type ErrorCode, MessagingError } from "@seriatim/actors";
import { afterAll, describe, expect, it } from "vitest";
import { documents, quoted, tableOf } from "./documents.fixture.ts";
import { DocumentsProject, SAID } from "./documents-project.fixture.ts";
import { inRepository } from "./program.fixture.ts";

const all = documents();

describe("the documents", () => {
  it("show the quick start as it is in the examples", () => {
    const quickStart = readFileSync(inRepository("packages/examples/src/quick-start.ts"), "utf8").trim();
    expect(all.find(({ path }) => path === "README.md")?.blocks).toContain(quickStart);
  });
  it("say of each error whether trying again can help", () => {
    const rows = tableOf("docs/api.md", "code | meaning").map(([code, , , retryable]) => [quoted(code)[0], retryable]);
    expect(rows).toEqual(
      rows.map(([code]) => [code, new MessagingError(code as ErrorCode, "").retryable ? "yes" : "no"]),
    );
  });
});

describe("the examples of the documents, and the probes in test/types,", () => {
  const project = new DocumentsProject(all);
  afterAll(() => project[Symbol.dispose]());

  it("type-check under strict, noUncheckedIndexedAccess and exactOptionalPropertyTypes, and the README's runs", async () => {
    expect(await project.typeCheck("strict")).toMatchObject({ status: 0, stdout: "" });
    const { status, stdout, stderr } = await project.runs("README.md/main.ts");
    expect(stderr).toBe("");
    for (const line of SAID["README.md/main.ts"] ?? []) expect(stdout).toMatch(line);
    expect(status).toBe(0);
  });
});
