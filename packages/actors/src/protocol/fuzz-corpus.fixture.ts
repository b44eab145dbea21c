import type { FuzzTargetName } from "./fuzz.fixture.ts";

type Saved = readonly [target: Exclude<FuzzTargetName, "session">, what: string, isTaken: boolean, hex: string];
const utf8 = (text: string): string =>
  Array.from(new TextEncoder().encode(text), (byte) => byte.toString(16).padStart(2, "0")).join("");

/**
 * Inputs that once broke something, or that sit at an edge; the fuzzer begins from these as well. A finding is added
 * with what became of it.
 */
export const SAVED: readonly Saved[] = [
  ["binary", "no frames", true, "53"],
  ["binary", "an unknown frame code", false, "53ff"],
  ["binary", "a list longer than its packet", false, "530a0000ffffffff07"],
  ["binary", "a number not in its shortest form", false, "530a8000 00 00".replaceAll(" ", "")],
  ["binary", "a map with a length of 4 GiB", false, "5300ffffffff80"],
  ["binary", "an array that promises 2^32 - 1 items", false, "530005000000ddffffffff"],
  ["binary", "65 levels", false, `530042000000${"91".repeat(65)}c0`],
  ["binary", "a map with __proto__", false, "53000c00000081a95f5f70726f746f5f5f80"],
  ["binary", "a MessagePack extension", false, "530003000000d40000"],
  ["binary", "a lone surrogate in UTF-8", false, "530004000000a3eda080"],
  ["json", "no frames", true, utf8("[]")],
  ["json", "nothing but brackets", false, utf8("[".repeat(10_000))],
  ["json", "a frame that is null", false, utf8("[null]")],
  ["json", "an escaped __proto__", false, utf8('[{"type":"lane.close","lane":1,"\\u005f_proto__":{}}]')],
  ["json", "a type that every object has", false, utf8('[{"type":"toString"}]')],
  ["json", "a byte order mark", false, `efbbbf${utf8("[]")}`],
  ["json", "a number beyond 2^53", false, utf8('[{"type":"lane.close","lane":9007199254740993}]')],
  ["json", "minus zero", true, utf8('[{"type":"lane.close","lane":-0}]')],
  [
    "json",
    "a due time of minus zero",
    true,
    utf8(
      '[{"type":"batch.append","lane":1,"epoch":1,"sequence":0,"count":1,"durability":"memory","messages":[{"key":null,"id":null,"dueMs":-1e-999,"encoding":"json","body":true}]}]',
    ),
  ],
  ["packed", "no messages", true, ""],
  ["packed", "a length below its header", false, "0700000000 02ffff".replaceAll(" ", "")],
  ["packed", "a length beyond the batch", false, "ff0000000002ffff"],
  ["packed", "all flags and nothing behind", false, "080000000f020000"],
  ["packed", "headers of 4 GiB", false, "0c0000000402ffffffffffff"],
  ["packed", "an unknown flag", false, "080000001002ffff"],
  ["packed", "an empty body", true, "080000000002ffff"],
];
