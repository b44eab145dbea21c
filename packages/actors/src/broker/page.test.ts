import { describe, expect, it } from "vitest";
import { offset } from "../message/brands.ts";
import { packMessage } from "../message/packed.ts";
import { slotOf } from "../message/route.ts";
import { cutFailure } from "../protocol/cut-texts.ts";
import { binaryCodec, jsonCodec } from "../protocol/index.ts";
import type { AsideListed } from "../protocol/questions.ts";
import { Page } from "./page.ts";

/** An entry whose message has its key and id of this character, and a body of so many bytes. */
function entryOf(character: string, bodyBytes: number, at: number): AsideListed {
  const text = character.repeat(1_024 / new TextEncoder().encode(character).length);
  const body = new Uint8Array(bodyBytes);
  const fields = { key: text, id: text, headers: null, dueMs: null, encoding: "bytes", slot: slotOf(text) } as const;
  return {
    kind: "parked",
    entry: `4095:${at}:${at}`,
    key: text,
    behind: 1,
    sinceMs: Number.MAX_SAFE_INTEGER,
    attempts: 12,
    error: cutFailure({ name: text, message: character.repeat(65_536), code: text }),
    queue: 4_095,
    offset: offset(Number.MAX_SAFE_INTEGER - at),
    appendedAtMs: Number.MAX_SAFE_INTEGER,
    message: packMessage({ ...fields, body }),
  };
}
describe("a page of what is set aside", () => {
  it("fits into a frame in any codec, whatever its texts are, and holds as much as may be", () => {
    for (const character of ["x", "\u0001", "ß", '"'])
      for (const bodyBytes of [0, 10_000]) {
        const messageBytesMax = 256 * 1024;
        const page = new Page<AsideListed>(messageBytesMax);
        let at = 0;
        while (page.add(entryOf(character, bodyBytes, at))) at++;
        expect(page.entries).toHaveLength(at);
        expect(at).toBeGreaterThan(1);
        const answer = { entries: page.entries, next: page.entries.at(-1)!.entry };
        for (const codec of [binaryCodec, jsonCodec])
          expect(codec.encode([{ type: "answer", request: 1, kind: "aside.list", answer }]).length).toBeLessThan(
            messageBytesMax,
          );
      }
  });
  it("has one entry in any case", () => {
    const page = new Page<AsideListed>(1_024);
    expect([page.add(entryOf("x", 100_000, 0)), page.add(entryOf("x", 0, 1))]).toEqual([true, false]);
    expect(page.entries).toHaveLength(1);
  });
});
