// What a process that was killed left in its journal, damaged in every way.
// Processes run from dist: `npm test` builds first.
// `JOURNAL_SEED` chooses other places to damage.
import { copyFileSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { simulatedRuntime } from "@seriatim/testing";
import { afterEach, describe, expect, it } from "vitest";
import { SECTOR_BYTES } from "./journal-format.ts";
import { type Found, folder, journalsIn, readAll, removeFolders, start } from "./process.fixture.ts";

afterEach(removeFolders);

const LOGS = ["a", "b", "c", "d"];
const seed = Number(process.env["JOURNAL_SEED"] ?? 1);
const { random } = simulatedRuntime({ seed });
const below = (limit: number) => Math.floor(random() * limit);

const copyOf = (path: string): string => {
  const copy = folder();
  for (const name of readdirSync(path).filter((file) => !file.includes(".sock") && file !== "lock.mdb"))
    copyFileSync(join(path, name), join(copy, name));
  return copy;
};

/** What a process left that was killed in the middle of its commits, with a journal. */
async function killed(journalBytes: number): Promise<string> {
  const path = folder();
  const run = start("committing-process.mjs", [path, `${journalBytes}`]);
  for (let lines = 1; journalsIn(path).length < 2; lines = run.lines.length + 1) await run.told(lines);
  await run.told(run.lines.length + 200 + below(800));
  run.kill();
  await run.ended;
  return path;
}

describe("the journal that a killed process left", () => {
  it.each([65_536, 2 ** 20])(
    "of %i bytes, when damaged, is refused or complete, never silently less",
    async (journalBytes) => {
      const path = await killed(journalBytes);
      const { hash } = (await readAll([copyOf(path)], LOGS))[0] as Found;
      expect(hash).toBeDefined();
      const copies: { readonly about: string; readonly copy: string; readonly isRefused?: true }[] = [];
      for (const name of journalsIn(path)) {
        const missing = copyOf(path);
        rmSync(join(missing, name));
        copies.push({ about: `${name} is missing`, copy: missing, isRefused: true });
        for (const length of [
          0,
          100,
          SECTOR_BYTES,
          below(journalBytes),
          journalBytes - SECTOR_BYTES,
          journalBytes - 1,
        ]) {
          const cut = copyOf(path);
          truncateSync(join(cut, name), length);
          copies.push({ about: `${name} is cut to ${length}`, copy: cut, isRefused: true });
        }
        const bytes = readFileSync(join(path, name));
        let used = bytes.length;
        while (used > 0 && bytes[used - 1] === 0) used -= 1;
        for (let n = 0; n < 60; n++) {
          const flipped = copyOf(path);
          const bit = below((n % 10 === 0 ? bytes.length : used) * 8);
          const wrong = Buffer.from(bytes);
          wrong[bit >>> 3] = (wrong[bit >>> 3] as number) ^ (1 << (bit & 7));
          writeFileSync(join(flipped, name), wrong);
          copies.push({ about: `bit ${bit} of ${name} is wrong`, copy: flipped });
        }
      }
      const found = await readAll(
        copies.map(({ copy }) => copy),
        LOGS,
      );
      let refused = 0;
      for (const [n, { about, isRefused }] of copies.entries()) {
        const one = found[n] as Found;
        if (one.hash === undefined || isRefused)
          expect(one, `seed ${seed}: ${about}`).toMatchObject({ code: "STORE_DAMAGED" });
        else expect(one.hash, `seed ${seed}: ${about}`).toBe(hash);
        if (one.hash === undefined) refused += 1;
      }
      expect(refused).toBeGreaterThan(40);
    },
  );

  it("of other data is refused", async () => {
    const [path, other] = [await killed(65_536), await killed(65_536)];
    for (const name of journalsIn(path)) copyFileSync(join(other, journalsIn(other)[0] as string), join(path, name));
    expect((await readAll([path], LOGS))[0]).toMatchObject({ code: "STORE_DAMAGED" });
  });
});
