// Hostile clients against a broker in a process of its own, beside a well-behaved client in another. The table
// of attacks and codes is docs/security.md. Every attack runs once to warm up (code is compiled, buffers grow
// to their size), then again, HOSTILE_ROUNDS times: after that the broker must have its memory back.
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { Other, Target } from "./hostile.fixture.ts";
import { attackWithBytes } from "./hostile-bytes.fixture.ts";
import { attackWithFrames } from "./hostile-protocol.fixture.ts";
import { sleep } from "./ws.fixture.ts";

const ROUNDS = Number(process.env["HOSTILE_ROUNDS"] ?? 1);
/**
 * Generous: what counts is that nobody waits for an attacker.
 * How busy the machine is besides, the same client of a broker that nobody attacks tells.
 */
const P99_MS_MAX = 1_500;
const P99_FACTOR_MAX = 20;
const MEMORY_FACTOR_MAX = 1.1;
/** Far longer than what attackers leave behind takes to go. */
const HANGS_MS = 120_000;

let broker: Other;
let good: Other;
/** The same two, with nobody attacking: what their times are, the machine makes them. */
let unharmed: readonly [broker: Other, good: Other];
let warmed = 0;
const targets = Array.from({ length: ROUNDS + 1 }, (_, round) => new Target(round));

/**
 * Bytes in use after collection (`external` includes what array buffers hold),
 * the least of some looks: the good client goes on.
 */
async function memory(): Promise<{ bytes: number; sessions: number }> {
  let bytes = Number.POSITIVE_INFINITY;
  let sessions = 0;
  for (let n = 0; n < 5; n++) {
    const told = await broker.command("memory");
    bytes = Math.min(bytes, told.heapUsed + told.external);
    sessions = told.sessions;
    await sleep(200);
  }
  return { bytes, sessions };
}
/** The same, once all attackers have gone and what they left had its time to go. */
async function memoryAtRest(isEnough: (bytes: number) => boolean): Promise<{ bytes: number; sessions: number }> {
  const end = performance.now() + HANGS_MS;
  for (;;) {
    const found = await memory();
    if ((found.sessions === 1 && isEnough(found.bytes)) || performance.now() > end) return found;
  }
}

beforeAll(async () => {
  const [first, url] = await Other.start("broker");
  broker = first;
  for (const target of targets) target.url = url;
  [good] = await Other.start("good", url);
  const [calm, calmUrl] = await Other.start("broker");
  unharmed = [calm, (await Other.start("good", calmUrl))[0]];
  await sleep(1_000); // code gets compiled
  for (const client of [good, unharmed[1]]) await client.command("mark");
});
afterAll(() => {
  for (const process of [broker, good, ...(unharmed ?? [])]) process?.killNow();
});

/** The good client's latencies during each attack, beside those of the one whose broker nobody attacks, ms. */
const during: { readonly attack: string; readonly p99: number; readonly unharmedP99: number }[] = [];
afterEach(async ({ task }) => {
  if (task.name.startsWith("the broker")) return;
  const [{ messages, p99 }, control] = await Promise.all([good.command("mark"), unharmed[1].command("mark")]);
  if (messages > 0) during.push({ attack: task.name.slice(0, 40), p99, unharmedP99: control.p99 });
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
    });
});

describe("after all that", () => {
  it("the broker is up, has its memory back, and the good client missed nothing", async () => {
    expect(broker.isUp).toBe(true);
    const left = await memoryAtRest((bytes) => bytes < warmed * MEMORY_FACTOR_MAX);
    const worst = during.sort((a, b) => b.p99 - a.p99).slice(0, 4);
    const finish = await good.command("finish");
    process.stdout.write(
      `hostile: ${ROUNDS} rounds; worst ${JSON.stringify(worst)} memory ${warmed} -> ${left.bytes} ${JSON.stringify(finish)}\n`,
    );
    expect(finish).toMatchObject({ failed: 0, outOfOrder: 0 });
    expect(finish.received).toBe(finish.sent + 1);
    // Compared with the busiest time of the one that nobody attacks: the machine's other work comes and goes.
    const unharmedMs = Math.max(...during.map(({ unharmedP99 }) => unharmedP99));
    expect(worst[0]?.p99).toBeLessThan(Math.max(P99_MS_MAX, unharmedMs * P99_FACTOR_MAX));
    expect(left.sessions).toBe(1);
    expect(left.bytes).toBeLessThan(warmed * MEMORY_FACTOR_MAX);
    expect(broker.stderr).toBe("");
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
  });
});
