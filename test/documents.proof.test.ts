// Every program of the documents is type-checked both ways, and run.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { documents } from "./documents.fixture.ts";
import { DocumentsProject, SAID } from "./documents-project.fixture.ts";

const all = documents();
const programs = all.flatMap(({ path, modules }) =>
  modules.filter(({ runs }) => runs).map(({ name }) => `${path}/${name}`),
);

describe("the examples of the documents", () => {
  let project: DocumentsProject;
  beforeAll(async () => {
    project = new DocumentsProject(all);
    expect(await project.typeCheck("strict")).toMatchObject({ status: 0, stdout: "" });
  });
  afterAll(() => project[Symbol.dispose]());

  it("type-check without exactOptionalPropertyTypes too, the packages' own declarations included", async () => {
    expect(await project.typeCheck("loose")).toMatchObject({ status: 0, stdout: "" });
  });
  it.for(programs)("%s runs and ends by itself", { concurrent: true }, async (path, context) => {
    const { status, stdout, stderr } = await project.runs(path);
    context.expect(stderr).toBe("");
    for (const line of SAID[path] ?? []) context.expect(stdout).toMatch(line);
    context.expect(status).toBe(0);
  });
  it("the guide's program runs the same with its system over WebSocket", async () => {
    const { status, stdout, stderr } = await project.runs("docs/api.md/main.ts", { WS: "1" });
    expect(stderr).toBe("");
    for (const line of SAID["docs/api.md/main.ts"] ?? []) expect(stdout).toMatch(line);
    expect(status).toBe(0);
  });
});
