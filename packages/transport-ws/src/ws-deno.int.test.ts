import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { Bench } from "./ws.fixture.ts";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const deno = `${root}node_modules/.bin/deno`;
// Packages resolve to dist here: `npm test` builds first.
const ready = existsSync(deno) && existsSync(`${root}packages/actors/dist/testing/transport-compliance.js`);

const run = promisify(execFile);
async function inDeno(...args: string[]): Promise<Record<string, unknown>[]> {
  const flags = ["run", "-A", "--node-modules-dir=manual", "--no-remote", "--no-check"];
  const script = fileURLToPath(new URL("./deno-links.fixture.ts", import.meta.url));
  const { stdout } = await run(deno, [...flags, script, ...args], { cwd: root });
  return stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
}

describe.runIf(ready)("in Deno, over its own WebSocket", () => {
  it("passes the compliance kit", async () => {
    const outcomes = await inDeno();
    expect(outcomes.filter(({ error }) => error !== null)).toEqual([]);
    expect(outcomes.length).toBeGreaterThan(40);
  });

  it("reaches a listener in Node: token, frames, limits", async () => {
    await using bench = await Bench.open();
    bench.onLink = (link) => link.frames$.subscribe((frame) => link.send(frame));
    expect(await inDeno(bench.url)).toEqual([
      { title: "refused", found: "UNAUTHENTICATED" },
      { title: "echoes", found: Array.from({ length: 200 }, (_, n) => n * 100), buffered: 0 },
      { title: "end", found: { code: "tooLarge", reason: "" } },
    ]);
    expect(bench.asked).toEqual(["wrong", "s3crët"]);
  });
});
