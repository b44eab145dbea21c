import { CodecTarget, type FuzzTarget, fromHex, PackedTarget } from "./fuzz-bytes.fixture.ts";
import { SessionTarget } from "./fuzz-session.fixture.ts";
import { binaryCodec, jsonCodec } from "./index.ts";

export const FUZZ_TARGETS = ["binary", "json", "packed", "session"] as const;
export type FuzzTargetName = (typeof FUZZ_TARGETS)[number];
/** `saved`: inputs to begin from, in hexadecimal; a sequence is its packets with a space between. */
export function fuzzTarget(name: FuzzTargetName, seed: number, saved: readonly string[]): FuzzTarget {
  if (name === "session") return new SessionTarget(seed, saved);
  const packets = saved.map(fromHex);
  if (name === "packed") return new PackedTarget(seed, packets);
  return new CodecTarget(seed, name === "json" ? jsonCodec : binaryCodec, packets);
}
