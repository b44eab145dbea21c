import { describe, expect, it } from "vitest";
import { encodeRecord, storeKeys } from "../log/records.ts";
import { failureBytes } from "../protocol/cut-texts.ts";
import type { FailureInfo } from "../protocol/frames.ts";
import { message } from "../queue/queue.fixture.ts";
import { simulatedRuntime } from "../runtime/simulated-runtime.ts";
import { createMemoryStore } from "../store/memory-store.ts";
import { FAILURES_BYTES_MAX, FailureTexts } from "./failure-texts.ts";
import { NO_LEASE } from "./holder.ts";
import { SetAside } from "./set-aside.ts";
import { SubscriptionState } from "./subscription-state.ts";

const OF = { topic: "t", queue: 0, group: "g" };
const long = (character: string): FailureInfo => ({
  name: character.repeat(500),
  message: character.repeat(65_536),
  code: character.repeat(500),
});
/** What of it is kept at most: 8 KiB of text, 128 bytes of name and code. */
const KEPT_MAX = 8_192 + 2 * 128;
const store = () => createMemoryStore({ runtime: simulatedRuntime({ seed: 1 }) });

describe("failures that a subscription keeps", () => {
  it.each(["x", "ß", "東", "\u{1f600}", "\u0001"])("are cut to 8 KiB of UTF-8 (%j), and marked", (character) => {
    const kept = new FailureTexts().keep(long(character));
    expect(failureBytes(kept)).toBeLessThanOrEqual(KEPT_MAX);
    expect(failureBytes(kept)).toBeGreaterThan(KEPT_MAX - 20);
    for (const text of [kept.name, kept.message, kept.code]) {
      expect(text).toMatch(/…$/);
      expect(text?.slice(0, -1)).toBe(character.repeat((text as string).slice(0, -1).length / character.length));
    }
  });
  it("are counted: at 4 MiB further ones are cut short, and whole again once others have gone", () => {
    const texts = new FailureTexts();
    const failure = long("x");
    const kept = Array.from({ length: 1_000 }, () => texts.keep(failure));
    const whole = kept.filter((each) => failureBytes(each) > 1_000);
    expect(whole.length).toBe(Math.floor(FAILURES_BYTES_MAX / failureBytes(whole[0] as FailureInfo)));
    expect(texts.bytes).toBeLessThanOrEqual(FAILURES_BYTES_MAX + 1_000 * 256);
    expect(texts.bytes).toBe(kept.reduce((sum, each) => sum + failureBytes(each), 0));
    expect(kept.at(-1)?.message).toBe(`${"x".repeat(125)}…`);
    for (const each of kept) texts.release(each);
    expect(texts.bytes).toBe(0);
    expect(failureBytes(texts.keep(long("x")))).toBeGreaterThan(KEPT_MAX - 20);
  });
  it("are counted with the strands that they are of, as those come, fail again and go", () => {
    const aside = new SetAside(OF, store());
    const state = new SubscriptionState();
    const copy = (offset: number) => ({ offset, appendedAtMs: 0, message: message("k") });
    const of = { kind: "dead-letter", key: null, sinceMs: 0, revision: 1, attempts: 1 } as const;
    const texts = (): number => [...aside.strands()].reduce((sum, strand) => sum + failureBytes(strand.error), 0);
    const first = long("x");
    for (let offset = 0; offset < 700; offset++) aside.begin(state, { ...of, error: first }, copy(offset), []);
    expect(texts()).toBeLessThanOrEqual(FAILURES_BYTES_MAX + 700 * 256);
    const again = long("y");
    for (const strand of aside.strands()) aside.turn(strand, { phase: "waiting", attempts: 2, error: again });
    expect(texts()).toBeLessThanOrEqual(FAILURES_BYTES_MAX + 700 * 256);
    for (const strand of [...aside.strands()]) aside.take(state, strand, strand.offsets[0] as number);
    const { strand } = aside.begin(state, { ...of, error: long("z") }, copy(9_999), []);
    expect(failureBytes(strand.error)).toBeGreaterThan(KEPT_MAX - 20); // all the room is there again
  });
  it("of an earlier version, kept with longer texts, are cut when they are read", async () => {
    const kept = store();
    const key = storeKeys.strand("t", 0, "g", 7);
    const entry = storeKeys.entry("t", 0, "g", 7, 3);
    const value = encodeRecord(["dead-letter", null, 0, "waiting", 3, 0, long("x"), 1]);
    await kept.writer().commit([
      { kind: "put", key, value },
      { kind: "put", key: entry, value: encodeRecord([0, message("k"), 1]) },
    ]).flushed;
    const aside = new SetAside(OF, kept);
    await aside.recover(new SubscriptionState());
    expect(failureBytes(aside.strand(7)?.error as FailureInfo)).toBeLessThanOrEqual(KEPT_MAX);
    expect(aside.strand(7)?.offsets).toEqual([3]);
    const state = new SubscriptionState();
    state.halt = { offset: 3, key: "k", attempts: 1, error: long("x"), sinceMs: 0 };
    const read = SubscriptionState.decode("s", state.encode(NO_LEASE), undefined).state;
    expect(read.halt).toMatchObject({ offset: 3, key: "k", attempts: 1 });
    expect(failureBytes(read.halt?.error as FailureInfo)).toBeLessThanOrEqual(KEPT_MAX);
  });
});
