// Every deliberate bug is caught.
import { expect, it } from "vitest";
import { inRepository, repository, run } from "./program.fixture.ts";

it("the simulation catches every mutant within 200 seeds", async () => {
  const program = inRepository("packages/proof/dist/mutants/main.js");
  const { status, stdout, stderr } = await run(process.execPath, [program], { cwd: repository, timeoutMs: 890_000 });
  expect(status, `${stdout}\n${stderr}`).toBe(0);
});
