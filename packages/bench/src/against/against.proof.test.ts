import { execFile } from "node:child_process";
import { mkdtemp, readdir, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { Program } from "@seriatim/rig";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { AgainstReport } from "./report.ts";

const run = promisify(execFile);
const MAIN = fileURLToPath(new URL("../../dist/main.js", import.meta.url));

/** Where a package comes from for a program in that folder. */
const resolved = async (name: string, folder: string): Promise<string> => {
  const script = `console.log(import.meta.resolve("${name}"))`;
  const { stdout } = await run(process.execPath, ["--input-type=module", "-e", script], { cwd: folder });
  return stdout.trim();
};
/** A bench that keeps its temporary folders in this one. */
const start = (folder: string, ...args: readonly string[]): Program =>
  new Program(process.execPath, [MAIN, ...args], { env: { TMPDIR: folder } });

describe("npm run bench -- --against", () => {
  let folder = "";
  beforeEach(async () => {
    folder = await realpath(await mkdtemp(join(tmpdir(), "seriatim-bench-test-")));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  it("runs the commit, today's code and the commit again, each on packages of its own, and leaves nothing behind", async () => {
    const bench = start(
      folder,
      ...["--against", "HEAD", "--rounds", "1", "--messages", "100", "--scenario", "throughput"],
      ...["--only", "embedded: memory store", "--json"],
    );
    await bench.printed("round 1/1  embedded: memory store");
    bench.signal("SIGSTOP"); // it stands still while it is looked at: the rest of it may take less time than that
    const [aside] = (await readdir(folder)).filter((name) => name.startsWith("seriatim-against-"));
    for (const side of ["before", "after"]) {
      const place = pathToFileURL(join(folder, aside!, side, "tree")).href;
      const program = join(folder, aside!, side, "bench", "dist");
      for (const name of ["actors", "store-lmdb", "transport-memory", "transport-ws"])
        expect(await resolved(`@seriatim/${name}`, program)).toContain(`${place}/packages/`);
      expect(await resolved("hdr-histogram-js", program)).toContain("/node_modules/");
    }
    bench.signal("SIGCONT");
    const { status, stdout } = await bench.ended;
    const report = JSON.parse(stdout.trimEnd().split("\n").at(-1) ?? "") as AgainstReport;
    expect(report.failures).toEqual([]);
    expect(report.commit).toMatch(/^[0-9a-f]{40}$/);
    expect(report.changes.map(({ row, figure }) => [row, figure])).toEqual([
      ["embedded: memory store", "messagesPerSecond"],
      ["embedded: memory store", "CPU µs/msg"],
    ]);
    const { perRound, before, after, ratio, verdict } = report.changes[0]!;
    expect(ratio?.median).toBeCloseTo(after!.median / before!.median);
    for (const values of Object.values(perRound)) expect(values).toEqual([expect.any(Number)]);
    // So few messages are what they are; what is said of them is what it ends with.
    expect(status).toBe({ within: 0, gained: 0, told: 0, lost: 1, "too noisy": 2, "no ratio": 2 }[verdict]);
    expect(await readdir(folder)).toEqual([]);
  });
  it("leaves nothing behind when it is told to end while it builds", async () => {
    const bench = start(folder, "--against", "HEAD", "--only", "embedded: memory store");
    await bench.printed("checking out and building");
    bench.signal("SIGTERM");
    expect((await bench.ended).status).toBe(143);
    expect(await readdir(folder)).toEqual([]);
  });
  it("names what is no commit", async () => {
    const bench = start(folder, "--against", "no-such-commit");
    const { status, stderr } = await bench.ended;
    expect(status).toBe(1);
    expect(stderr).toContain('expected a commit of this repository, found "no-such-commit"');
    expect(await readdir(folder)).toEqual([]);
  });
});
