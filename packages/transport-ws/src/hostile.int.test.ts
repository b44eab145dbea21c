// Hostile clients against a broker in a process of its own, beside a well-behaved client in another. The table of attacks and codes is docs/security.md.
// Every attack runs once to warm up (code is compiled, buffers grow to their size), then again, HOSTILE_ROUNDS times: after that the broker must have its memory back.
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { Other, Target } from "./hostile.fixture.ts";
import { attackWithBytes } from "./hostile-bytes.fixture.ts";
import { attackWithFrames } from "./hostile-protocol.fixture.ts";
import { sleep } from "./ws.fixture.ts";

const ROUNDS = Number(process.env["HOSTILE_ROUNDS"] ?? 1);
/** Generous: what counts is that nobody waits for an attacker, on a machine that does other things as well, how many of them its quiet times tell. */
const P99_MS_MAX = 1_500;
const P99_FACTOR_MAX = 20;
const MEMORY_FACTOR_MAX = 1.1;
const SETTLED_MS_MAX = 15_000;

let broker: Other;
let good: Other;
let quiet: Readonly<Record<string, unknown>> = {};
let warmed = 0;
const targets = Array.from({ length: ROUNDS + 1 }, (_, round) => new Target(round));

/** Bytes in use after collection (`external` includes what array buffers hold), the least of some looks: the good client goes on. */
async function memory(): Promise<{ bytes: number; sessions: number }> {
  let bytes = Number.POSITIVE_INFINITY;
  let sessions = 0;
  for (let n = 0; n < 5; n++) {
    const told = await broker.ask("memory");
    bytes = Math.min(bytes, Number(told["heapUsed"]) + Number(told["external"]));
    sessions = Number(told["sessions"]);
    await sleep(200);
  }
  return { bytes, sessions };
}
/** The same, once all attackers have gone and what they left had its time to go. */
async function memoryAtRest(isEnough: (bytes: number) => boolean): Promise<{ bytes: number; sessions: number }> {
  const end = performance.now() + SETTLED_MS_MAX;
  for (;;) {
    const found = await memory();
    if ((found.sessions === 1 && isEnough(found.bytes)) || performance.now() > end) return found;
  }
}

beforeAll(async () => {
  const [first, { url }] = await Other.start("broker");
  broker = first;
  for (const target of targets) target.url = String(url);
  [good] = await Other.start("good", String(url));
  await sleep(1_000); // code gets compiled
  await good.ask("mark");
  await sleep(1_500);
  quiet = await good.ask("mark");
});
afterAll(() => {
  broker?.kill();
  good?.kill();
});

/** The good client's latencies during each attack. */
const during: { readonly attack: string; readonly p99: number; readonly max: number }[] = [];
afterEach(async ({ task }) => {
  if (task.name.startsWith("the broker")) return;
  const { messages, p99, max } = await good.ask("mark");
  if (Number(messages) > 0) during.push({ attack: task.name.slice(0, 40), p99: Number(p99), max: Number(max) });
});

describe.each(targets)("round $round", (target) => {
  attackWithBytes(target);
  attackWithFrames(target);
  if (target.round === 0)
    it("the broker is warm", async () => {
      await sleep(2_500); // retention has taken what attackers wrote
      const { bytes, sessions } = await memoryAtRest(() => true);
      warmed = bytes;
      expect(sessions).toBe(1);
    }, 30_000);
});

describe("after all that", () => {
  it("the broker is up, has its memory back, and the good client missed nothing", async () => {
    expect(broker.isUp).toBe(true);
    await sleep(2_500);
    await good.ask("mark"); // what comes now is quiet again
    const left = await memoryAtRest((bytes) => bytes < warmed * MEMORY_FACTOR_MAX);
    const worst = during.sort((a, b) => b.p99 - a.p99)[0];
    const quietAgain = await good.ask("mark");
    const finish = await good.ask("finish");
    process.stdout.write(
      `hostile: ${ROUNDS} rounds; quiet ${JSON.stringify(quiet)} worst ${JSON.stringify(during.slice(0, 4))} memory ${warmed} -> ${left.bytes} ${JSON.stringify(finish)}\n`,
    );
    expect(finish).toMatchObject({ failed: 0, outOfOrder: 0 });
    expect(finish["received"]).toBe(Number(finish["sent"]) + 1);
    const quietMs = Math.max(Number(quiet["p99"]), Number(quietAgain["p99"]));
    expect(worst?.p99).toBeLessThan(Math.max(P99_MS_MAX, quietMs * P99_FACTOR_MAX));
    expect(left.sessions).toBe(1);
    expect(left.bytes).toBeLessThan(warmed * MEMORY_FACTOR_MAX);
    expect(broker.stderr).toBe("");
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
  }, 60_000);
});
