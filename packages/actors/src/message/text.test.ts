import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MessagingError } from "./errors.ts";
import { clipped, cutToBytes, quoted, shown, utf8Bytes } from "./text.ts";

const ESC = "\u001b";
const anyText = fc.string({ unit: "binary", maxLength: 60 });

describe("a text that is shown", () => {
  it.each([
    [`a\nb\r\tc`, "a\\nb\\r\\tc"],
    [`${ESC}[2J${ESC}]0;gone\u0007`, "\\u001b[2J\\u001b]0;gone\\u0007"],
    ["\u009b31m\u0085", "\\u009b31m\\u0085"],
    ["\u202egnp.exe\u2066\u200b\ufeff", "\\u202egnp.exe\\u2066\\u200b\\ufeff"],
    ["\u2028\u2029\u{e0041}", "\\u2028\\u2029\\u{e0041}"],
    ["half \ud83d, whole \u{1f600}", "half \\ud83d, whole \u{1f600}"],
    ["plain: Größe 東京 o-1 \\n", "plain: Größe 東京 o-1 \\n"],
  ])("%j has escapes for what would not be seen, or would do something", (text, expected) => {
    expect(shown(text)).toBe(expected);
  });
  it("stays as it is when it is shown again, and holds nothing of that", () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const once = shown(text);
        expect(shown(once)).toBe(once);
        expect(once).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u);
      }),
    );
  });
  it("is what every message of an error of ours is, whatever it quotes; its data stay as they are", () => {
    const key = `k${ESC}[31m\n2026 INFO all is well`;
    const error = new MessagingError("ENTRY_UNKNOWN", `key ${quoted(key)} is not parked`, { data: { key } });
    expect(error.message).toBe('key "k\\u001b[31m\\n2026 INFO all is well" is not parked');
    expect(new MessagingError("UNAVAILABLE", `no answer: ${key}`).message).not.toContain(ESC);
    expect(error.data).toEqual({ key });
  });
});

describe("a text that is quoted", () => {
  it("is cut to 100 characters, between characters", () => {
    expect(quoted("x".repeat(100))).toBe(`"${"x".repeat(100)}"`);
    expect(quoted("x".repeat(65_536))).toBe(`"${"x".repeat(99)}…"`);
    expect(clipped("\u{1f600}".repeat(60), 100)).toBe(`${"\u{1f600}".repeat(49)}…`);
  });
});

describe("a text that is cut to bytes", () => {
  it("is whole when it fits, and else ends between characters, with a mark", () => {
    expect(cutToBytes("abc", 3)).toBe("abc");
    expect(cutToBytes("abcd", 3)).toBe("…");
    expect(cutToBytes("größer als", 8)).toBe("grö…");
    expect(cutToBytes(`ab${"\u{1f600}".repeat(3)}`, 12)).toBe("ab\u{1f600}…");
  });
  it("never has more bytes than it may, and begins as it did", () => {
    fc.assert(
      fc.property(anyText, fc.integer({ min: 4, max: 80 }), (text, max) => {
        const cut = cutToBytes(text, max);
        expect(new TextEncoder().encode(cut).length).toBeLessThanOrEqual(max);
        expect(utf8Bytes(text)).toBe(new TextEncoder().encode(text).length);
        const wellFormed = new TextDecoder("utf-8", { ignoreBOM: true }).decode(new TextEncoder().encode(text));
        if (cut !== text) expect(wellFormed.startsWith(cut.slice(0, -1))).toBe(true);
        else expect(utf8Bytes(text)).toBeLessThanOrEqual(max);
      }),
    );
  });
});
