import { mkdir, readdir, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { planMarked } from "@seriatim/rig";
import { beforeEach, describe, expect, it } from "vitest";
import { demo, dir, NO_VIOLATION, reportOf } from "./demo.fixture.ts";

/** A seed whose first fault is a freeze, early in the run. */
const FREEZES_FIRST = String(
  Array.from({ length: 100 }, (_, seed) => seed).find(
    (seed) => planMarked(seed)[0]?.kind === "freeze-consumer" && (planMarked(seed)[0]?.mark ?? 1) < 0.14,
  ),
);

describe("the main demo", () => {
  it("ends when poison halts its queue, and says which", async () => {
    const { status, stdout } = await demo(
      "--orders",
      "60",
      "--seed",
      "3",
      "--no-faults",
      "--exhausted",
      "halt",
      "--poison",
      "2",
      "--rate",
      "2000",
      "--json",
    ).ended;
    const report = reportOf(stdout);
    expect(report).toMatchObject({ violations: NO_VIOLATION, accounted: true, parked: 0, deadLettered: 0 });
    expect(report.haltedQueues.length).toBeGreaterThan(0);
    expect(report.backlog).toBeGreaterThan(0);
    expect(status).toBe(0);
  });

  it("lets successors run on with dead-letter, over few and many keys at once", async () => {
    const args = [
      "--orders",
      "60",
      "--seed",
      "4",
      "--no-faults",
      "--exhausted",
      "dead-letter",
      "--concurrency",
      "8",
      "--queues",
      "2",
      "--transport",
      "memory",
      "--rate",
      "2000",
      "--json",
    ];
    const { status, stdout } = await demo(...args).ended;
    expect(reportOf(stdout)).toMatchObject({ violations: NO_VIOLATION, accounted: true, parked: 0, deadLettered: 3 });
    expect(status).toBe(0);
  });

  it("replays a CSV file", async () => {
    const file = join(dir, "cases.csv");
    const rows = Array.from(
      { length: 600 },
      (_, n) => `case-${n % 20},step ${n},2020-01-01 00:${String(Math.floor(n / 10)).padStart(2, "0")}:00`,
    );
    await writeFile(file, `Case,What,When\n${rows.join("\n")}\n`);
    const { status, stdout } = await demo(
      "--input",
      file,
      "--key",
      "Case",
      "--time",
      "When",
      "--no-faults",
      "--poison",
      "0",
      "--rate",
      "1000",
      "--json",
    ).ended;
    const report = reportOf(stdout);
    expect(report).toMatchObject({
      input: { events: 600, keys: 20 },
      settled: 600,
      projection: { completeKeys: 20, gaps: 0 },
    });
    expect(status).toBe(0);
  });
});

describe("bad input", () => {
  it.each([
    ["an unknown flag", ["--nonsense"], 2, /unknown option '--nonsense'/],
    ["a value out of range", ["--queues", "0"], 2, /whole number from 1 to 256/],
    [
      "a missing file",
      ["--input", "/nowhere/log.csv", "--key", "K", "--time", "T"],
      2,
      /there is no file \/nowhere\/log\.csv/,
    ],
    [
      "a missing column",
      ["--input", "$dir/log.csv", "--key", "Kay", "--time", "T"],
      2,
      /no column "Kay"; it has "K", "T"/,
    ],
    ["an empty file", ["--input", "$dir/empty.csv", "--key", "K", "--time", "T"], 2, /empty\.csv is empty/],
    ["a port in use", ["--port", "$port"], 1, /in use|EADDRINUSE/],
    ["an --out that is a file", ["--out", "$dir/log.csv"], 1, /cannot use that folder/],
  ])("%s ends it with one clear line and nothing left running", async (_, args, expected, text) => {
    await writeFile(join(dir, "log.csv"), "K,T\na,2020-01-01\n");
    await writeFile(join(dir, "empty.csv"), "");
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const port = String((server.address() as AddressInfo).port);
    const program = demo(...args.map((arg) => arg.replace("$dir", dir).replace("$port", port)));
    const { status, stderr } = await program.ended;
    server.close();
    expect(stderr).toMatch(text);
    expect(stderr.trimEnd().split("\n").length).toBe(1);
    expect(status).toBe(expected);
    expect(program.leftovers()).toEqual([]);
  });

  it("a data folder in use by another broker is refused, and the other run goes on", async () => {
    const data = join(dir, "data");
    await mkdir(data, { recursive: true });
    const first = demo("--orders", "150", "--no-faults", "--rate", "100", "--data", data, "--seed", "5", "--json");
    await first.printed(/running/);
    const second = demo("--data", data, "--no-faults");
    const { status, stderr } = await second.ended;
    expect(stderr).toMatch(/in use by another broker/);
    expect(stderr.trimEnd().split("\n").length).toBe(1);
    expect(status).toBe(1);
    expect(second.leftovers()).toEqual([]);
    expect((await first.ended).status).toBe(0);
  });
});

describe("ending early", () => {
  const temporaryFolders = async (): Promise<string[]> =>
    (await readdir(dir)).filter((name) => name.startsWith("seriatim-demo-"));
  let before: string[] = [];
  beforeEach(async () => {
    before = await temporaryFolders();
  });

  it.each([
    ["while all of them run", /running/],
    ["while a consumer is frozen", /frozen/],
  ])("Ctrl-C ends all processes %s, status 130, and removes what was temporary", async (_, line) => {
    const program = demo("--orders", "500", "--seed", FREEZES_FIRST);
    await program.printed(line);
    expect(program.leftovers().length).toBe(7); // driver, broker, 2 producers, 3 consumers
    program.signal("SIGINT", "group");
    const { status, stderr } = await program.ended;
    expect(stderr).toBe("seriatim demo: interrupted\n");
    expect(status).toBe(130);
    expect(await program.leftoversAfter(1_000)).toEqual([]);
    expect(await temporaryFolders()).toEqual(before);
  });
  it.each([
    ["while all of them run", /running/],
    ["while a consumer is frozen", /frozen/],
  ])("children end when the driver is killed %s", async (_, line) => {
    const program = demo("--orders", "500", "--seed", FREEZES_FIRST);
    await program.printed(line);
    program.signal("SIGKILL", "program");
    expect(await program.leftoversAfter(5_000)).toEqual([]);
  });
});
