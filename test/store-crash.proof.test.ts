// A broker killed at any time, and copies of its data that were cut or have wrong bits: everything with a receipt is there, or the data is refused.
// Runs from dist. `CRASH_SEED` chooses other times and places.
import {
  closeSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Program, run } from "@seriatim/rig";
import { simulatedRuntime } from "@seriatim/testing";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const program = fileURLToPath(new URL("./store-crash.program.mjs", import.meta.url));
const { CRASH_SEED = "1" } = process.env;
const seed = Number(CRASH_SEED);
const { random } = simulatedRuntime({ seed });
const below = (limit: number) => Math.floor(random() * limit);

interface Answer {
  /** The number of each message, by queue and offset. */
  readonly all: Readonly<Record<string, number>>;
  /** What the group handled when it went on. */
  readonly left: readonly string[];
  readonly accounts: Readonly<Record<string, number>> | null;
  readonly code: string | null;
  readonly problems: readonly string[];
}
/** What a client was told before the broker died: it must hold of whatever opens later. */
const told = { receipts: new Map<string, number>(), handled: new Set<string>() };
const base = mkdtempSync(join(tmpdir(), "seriatim-crash-"));
const data = join(base, "data");
/** Copies as they were when the broker was killed, with what had been told by then. */
const copies: {
  readonly path: string;
  readonly receipts: ReadonlyMap<string, number>;
  readonly handled: ReadonlySet<string>;
}[] = [];
let copied = 0;

function copyOf(path: string): string {
  const copy = join(base, `copy-${copied++}`);
  mkdirSync(copy);
  for (const name of readdirSync(path))
    if (/^(data\.mdb|store\.json|journal-.*)$/.test(name)) copyFileSync(join(path, name), join(copy, name));
  return copy;
}
/** Runs the broker, kills it once it has given so many receipts, and notes what it told. */
async function killed(afterReceipts: number, first: number): Promise<number> {
  const broker = new Program(process.execPath, [program, "run", data, String(first)]);
  const receipts = (): number => broker.lines.filter((line) => line.startsWith("receipt")).length;
  while (receipts() < afterReceipts) await broker.told(broker.lines.length + 1);
  broker.kill();
  await broker.ended;
  let next = first;
  for (const line of broker.lines) {
    const [what, queue, offset, n] = line.split(" ");
    if (what === "handled") told.handled.add(`${queue} ${offset}`);
    if (what !== "receipt") continue;
    told.receipts.set(`${queue} ${offset}`, Number(n));
    next = Math.max(next, Number(n) + 1);
  }
  return next + 1_000_000; // numbers of a process never meet those of the one before
}
async function read(path: string): Promise<Answer | null> {
  const { signal, stdout } = await run(process.execPath, [program, "read", path]);
  return signal === null ? (JSON.parse(stdout) as Answer) : null; // lmdb may end a process on a damaged file
}

/** Everything acknowledged is there, in order, and the group goes on where it stood. */
function expectWhole(
  answer: Answer,
  receipts: ReadonlyMap<string, number>,
  handled: ReadonlySet<string>,
  about: string,
) {
  expect(answer.code, `${about}: ${answer.problems.join("; ")}`).toBeNull();
  const lost = [...receipts].filter(([place, n]) => answer.all[place] !== n);
  expect(lost, `${about}: acknowledged, but not there`).toEqual([]);
  const lastOf = new Map<string, number>();
  const inOrder = Object.entries(answer.all)
    .map(([place, n]) => [...place.split(" ").map(Number), n] as [number, number, number])
    .sort(([q1, o1], [q2, o2]) => q1 - q2 || o1 - o2);
  for (const [queue, offset, n] of inOrder) {
    const lane = `${queue} ${n % 7}`;
    expect(n, `${about}: order at ${queue} ${offset}`).toBeGreaterThan(lastOf.get(lane) ?? -1);
    lastOf.set(lane, n);
  }
  const left = new Set(answer.left);
  const unhandled = Object.keys(answer.all).filter((place) => !handled.has(place) && !left.has(place));
  const { deadLettered = 0, parked = 0, backlog, settled = 0 } = answer.accounts ?? {};
  expect(unhandled.length, `${about}: settled without having been handled`).toBeLessThanOrEqual(deadLettered + parked);
  expect([backlog, settled + deadLettered + parked], about).toEqual([0, Object.keys(answer.all).length]);
}

beforeAll(async () => {
  let first = 0;
  for (let round = 0; round < 5; round++) {
    first = await killed(120 + below(2_000), first);
    copies.push({ path: copyOf(data), receipts: new Map(told.receipts), handled: new Set(told.handled) });
  }
  expect(told.receipts.size).toBeGreaterThan(500);
});
afterAll(() => rmSync(base, { recursive: true, force: true }));

describe("a broker's data", () => {
  it("holds everything acknowledged, whenever the broker was killed", async () => {
    for (const [round, { path, receipts, handled }] of copies.entries())
      expectWhole((await read(copyOf(path))) as Answer, receipts, handled, `seed ${seed}, round ${round}`);
  });

  it("is whole or refused when the file was cut or has wrong bits", async () => {
    const { path, receipts, handled } = copies.at(-1) as (typeof copies)[0];
    const bytes = readFileSync(join(path, "data.mdb"));
    const outcomes = { whole: 0, refused: 0, died: 0 };
    for (let n = 0; n < 12; n++) {
      const copy = copyOf(path);
      const file = join(copy, "data.mdb");
      let about = `seed ${seed}, ${n}: `;
      if (n % 4 === 0) {
        const length = below(statSync(file).size);
        truncateSync(file, length);
        about += `cut to ${length}`;
      } else {
        const opened = openSync(file, "r+");
        for (let flips = 0; flips < n % 4; flips++) {
          const at = n % 8 < 4 ? below(bytes.length) : below(2) * 4_096 + below(168); // anywhere, or in a meta page
          const bit = below(8);
          writeSync(opened, Uint8Array.of((bytes[at] as number) ^ (1 << bit)), 0, 1, at);
          about += `byte ${at} bit ${bit} `;
        }
        closeSync(opened);
      }
      const answer = await read(copy);
      if (answer === null) outcomes.died++;
      else if (answer.code === null) {
        outcomes.whole++;
        expectWhole(answer, receipts, handled, about);
      } else {
        outcomes.refused++;
        const said = `${answer.code} ${answer.problems.join(" ")}`;
        expect(said, about).toMatch(/STORE_DAMAGED|damaged/);
      }
      rmSync(copy, { recursive: true, force: true });
    }
    expect(outcomes.whole + outcomes.refused).toBeGreaterThan(8);
    expect(outcomes.refused).toBeGreaterThan(2);
  });
});
