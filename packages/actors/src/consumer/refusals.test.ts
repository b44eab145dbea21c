import { expect, it } from "vitest";
import type { ClientFrame } from "../protocol/frames.ts";
import { TappedGroup } from "./tapped-group.fixture.ts";

const warnings = ({ broker }: TappedGroup): string[] =>
  broker.logged.map(({ text }) => text).filter((text) => text.startsWith("the broker refuses"));
/** When frames of a type were sent, from now on, ms. */
function times({ runtime, tap }: TappedGroup, type: ClientFrame["type"]): number[] {
  const at: number[] = [];
  tap.on(type, (frame) => {
    at.push(Math.round(runtime.now()));
    return frame;
  });
  return at;
}
const gaps = (at: readonly number[]): number[] => at.slice(1).map((time, n) => time - (at[n] as number));

it("a join that is refused for long is tried again after longer and longer waits, told and logged, until it is taken", async () => {
  const group = await TappedGroup.start();
  let full = true;
  const joins = times(group, "member.join");
  group.tap.refuse("member.join", () => (full ? "LIMIT_EXCEEDED" : null));
  const consumer = group.consume();
  void consumer.run(() => {});
  await group.runtime.advance(600_000);
  // 2,400 at a fixed pace
  expect(joins.length).toBeGreaterThan(60_000 / 1_000);
  expect(joins.length).toBeLessThan(130);
  const waits = gaps(joins);
  for (const [n, wait] of waits.entries()) {
    const full = Math.min(250 * 2 ** n, 10_000);
    expect(wait).toBeGreaterThanOrEqual(Math.floor(full / 2));
    expect(wait).toBeLessThanOrEqual(full + 1);
  }
  expect(new Set(waits.slice(10)).size).toBeGreaterThan(10); // not all at once
  expect(group.broker.emitted("request.refused")).toHaveLength(joins.length);
  expect(group.broker.emitted("request.refused")[0]).toMatchObject({
    request: "member.join",
    topic: "moves",
    group: "g",
    queue: null,
    code: "LIMIT_EXCEEDED",
    error: { code: "LIMIT_EXCEEDED" },
  });
  for (const [n, { retryInMs }] of group.broker.emitted("request.refused").slice(0, -1).entries())
    expect(Math.abs((retryInMs ?? 0) - (waits[n] as number))).toBeLessThan(2);
  expect(warnings(group).length).toBeGreaterThan(5);
  expect(warnings(group).length).toBeLessThanOrEqual(10);
  expect(warnings(group)[0]).toMatch(
    /^the broker refuses "member.join" of topic "moves", group "g" \(LIMIT_EXCEEDED\): .*; tried again in \d+ ms, and later for as long as it takes$/,
  );
  full = false;
  await group.runtime.advance(10_000);
  await group.runtime.run(consumer.ready(), 1);
  full = true;
  const from = joins.length;
  await group.away()();
  await group.runtime.advance(500);
  expect(joins.length).toBeGreaterThan(from + 1); // the waits began anew
});
it("a name that is in use is tried for often enough to be had soon after it is free, and given up in time", async () => {
  const group = await TappedGroup.start();
  const joins = times(group, "member.join");
  group.tap.refuse("member.join", "NAME_IN_USE");
  const running = group
    .consume({ leaseTtlMs: 10_000 })
    .run(() => {})
    .catch((error: unknown) => (error as { code: string }).code);
  expect(await group.runtime.run(running)).toBe("NAME_IN_USE");
  expect(group.runtime.now()).toBeLessThan(20_100);
  expect(Math.max(...gaps(joins))).toBeLessThanOrEqual(1_001);
});
it.each([
  ["lease.release", "lease.release"],
  ["lease.raise", "lease.raise"],
  ["lease.acquire", "lease.acquire"],
  ["aside.put", "aside.put"],
] as const)("%s, too", async (type, request) => {
  const group = await TappedGroup.start();
  group.fill("k1");
  const asked = times(group, type);
  let granted = type !== "lease.acquire";
  group.tap.refuse(type, () => (granted ? "UNAVAILABLE" : null));
  const consumer = group.consume({
    handlerTimeoutMs: type === "lease.raise" ? 100 : 1_000_000,
    handlerGraceMs: 100,
    retry: { attempts: 1 },
  });
  void consumer.run(() => {
    if (type === "aside.put") throw new Error("no");
    return type === "lease.raise" ? new Promise<void>(() => {}) : undefined;
  });
  await group.runtime.advance(500);
  if (type === "lease.release") void consumer.close({ timeoutMs: 8_000 });
  if (type === "lease.acquire") {
    granted = true;
    await group.away()(); // and it resumes on the next link
  }
  const from = asked.length === 0 ? 0 : asked.length - 1;
  await group.runtime.advance(7_000);
  const waits = gaps(asked.slice(from)).slice(type === "lease.acquire" ? 1 : 0);
  expect(waits.length).toBeGreaterThan(3);
  expect(waits.length).toBeLessThan(15); // 28 at a fixed pace
  expect(waits.at(-1)).toBeGreaterThan(500);
  expect(new Set(group.broker.emitted("request.refused").map((event) => event.request))).toEqual(new Set([request]));
  expect(warnings(group)).toHaveLength(1);
});
