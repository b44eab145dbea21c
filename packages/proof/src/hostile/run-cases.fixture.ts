import { readdirSync } from "node:fs";
import { binaryCodec, jsonCodec } from "@seriatim/actors";
import { describe, expect, it } from "vitest";
import type { HostileCase } from "./hostile-case.fixture.ts";
import { Target } from "./target.fixture.ts";

const FOLDER = new URL("./cases/", import.meta.url);

const ENDING = ".fixture.ts";
async function allCases(): Promise<readonly HostileCase[]> {
  const names = readdirSync(FOLDER).map((file) => file.slice(0, -ENDING.length));
  const modules = names.map(
    (name) => import(`./cases/${name}.fixture.ts`) as Promise<{ readonly cases: readonly HostileCase[] }>,
  );
  return (await Promise.all(modules)).flatMap(({ cases }) => cases);
}
/** Every case of the folder that is heavy, or that is not, in both codecs, over both transports. */
export async function runCases(kind: "quick" | "heavy"): Promise<void> {
  const cases = (await allCases()).filter(({ isHeavy = false }) => isHeavy === (kind === "heavy"));
  for (const hostile of cases)
    describe(hostile.name, () => {
      for (const transport of ["memory", "ws"] as const)
        for (const codec of [binaryCodec, jsonCodec])
          it(`${codec.name}, ${transport}`, async () => {
            const target = await Target.start(hostile, transport, codec);
            try {
              await hostile.attack(target);
              const { sent, ...found } = await target.finish();
              expect(found).toEqual({
                handled: sent,
                again: 0,
                outOfOrder: 0,
                failed: [],
                links: 1,
              });
              expect(sent).toBeGreaterThan(0);
              const faults = target.logged.filter((line) => line.startsWith("error") && !hostile.mayLog?.test(line));
              expect(faults).toEqual([]);
            } finally {
              await target.end();
            }
          });
    });
}
