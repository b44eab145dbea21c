import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Ended } from "@seriatim/rig";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { inRepository, repository, run } from "./program.fixture.ts";

const FIRST = { topic: "orders", queue: 0, offset: 0, logEpoch: 1, id: "m0", key: "a" };
const SECOND = { ...FIRST, offset: 1, id: "m1" };
const LEASE = { topic: "orders", queue: 0, group: "billing", consumer: "worker", epoch: 7 };

const checkHistory = (folder: string): Promise<Ended> =>
  run(process.execPath, [inRepository("packages/proof/dist/check-history.js"), folder], { cwd: repository });

type Line = Readonly<Record<string, unknown>>;

/** The lines of one process, numbered. */
function history(process: string, lines: readonly Line[]): string {
  return lines.map((line, n) => `${JSON.stringify({ process, n, at: 1_000 + n, ...line })}\n`).join("");
}
function done(message: Line, revision: number): Line[] {
  const line = { ...LEASE, ...message };
  return [
    { type: "handling", ...line, attempt: 1 },
    { type: "handled", ...line, attempt: 1 },
    { type: "settled", ...line, revision },
  ];
}

describe("check-history", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "seriatim-history-"));
  });
  afterEach(() => rm(folder, { recursive: true }));

  async function check(worker: string): Promise<Ended> {
    const sending = { type: "sending", topic: "orders", key: "a", durability: "flushed" };
    const shop = [
      { type: "start", role: "producer" },
      { ...sending, id: "m0", ordinal: 0 },
      { type: "sent", ...FIRST, durability: "flushed" },
      { ...sending, id: "m1", ordinal: 1 },
      { type: "sent", ...SECOND, durability: "flushed" },
      { type: "end" },
    ];
    await writeFile(join(folder, "shop.1.jsonl"), history("shop#1", shop));
    await writeFile(join(folder, "worker.1.jsonl"), worker);
    return checkHistory(folder);
  }
  const begin: Line[] = [
    { type: "start", role: "consumer" },
    { type: "granted", ...LEASE, revision: 1 },
  ];

  it("prints a table and ends with 0 when nothing is broken, a torn last line aside", async () => {
    const lines = history("worker#1", [...begin, ...done(FIRST, 2), ...done(SECOND, 3)]);
    const { status, stdout, stderr } = await check(`${lines}{"process":"worker#1","n":8,"ty`);
    expect(stderr).toBe("");
    expect(stdout).toMatch(/P6 .*no skipping .* 3 .* 0/);
    expect(stdout).toContain(
      "14 events of 2 processes in 2 files: no promise broken (nothing said about P3, P8, P9, P10, P11)",
    );
    expect(status).toBe(0);
  });
  it("shows what is broken and ends with 1", async () => {
    const { status, stdout } = await check(history("worker#1", [...begin, ...done(SECOND, 2)]));
    expect(stdout).toContain(
      'P6 worker#1 handled message "m1" (key "a", orders/0 offset 1) for group billing before message "m0"',
    );
    expect(stdout).toContain("broken: P6");
    expect(status).toBe(1);
  });
  it("ends with 2 and one clear line when there is no history, or one with lines missing", async () => {
    const missing = await checkHistory(join(folder, "missing"));
    expect(missing).toMatchObject({
      status: 2,
      stdout: "",
      stderr: expect.stringMatching(/^check-history: .* does not exist\n$/),
    });
    const empty = await checkHistory(folder);
    expect(empty).toMatchObject({
      status: 2,
      stdout: "",
      stderr: expect.stringMatching(/^check-history: .* holds no history .*\n$/),
    });
    const torn = await check(history("worker#1", begin).replace("{", ""));
    expect(torn).toMatchObject({
      status: 2,
      stdout: "",
      stderr: expect.stringMatching(/^check-history: worker.1.jsonl, line 1 .*\n$/),
    });
  });
});
