import { expect, it } from "vitest";
import { DrainWaits } from "../runtime/drain-waits.ts";
import { Drain } from "./drain.ts";

const KIB = 1024;
function setUp() {
  const waits = new DrainWaits();
  const asked: number[] = [];
  const failures: unknown[] = [];
  const batcher = {
    bytes: 0,
    get bufferedBytes() {
      return batcher.bytes + link.bytes;
    },
    flush() {
      link.bytes += batcher.bytes;
      batcher.bytes = 0;
    },
  };
  const link = {
    bytes: 0,
    whenDrained: (bytes: number, drained: () => void) => {
      asked.push(bytes);
      waits.add(bytes, drained);
    },
    drainTo(bytes: number) {
      link.bytes = bytes;
      waits.look(bytes);
    },
  };
  const failed = (error: unknown) => failures.push(error);
  return { link, batcher, asked, failures, drain: new Drain(link, () => batcher, failed) };
}

it("is congested above 1 MiB, and lets everybody go on at a quarter of that, in order", () => {
  const { link, asked, drain } = setUp();
  link.bytes = 1024 * KIB;
  expect(drain.congested).toBe(false);
  link.bytes++;
  expect(drain.congested).toBe(true);
  const log: string[] = [];
  for (const name of ["a", "b"]) drain.whenDrained(() => log.push(name));
  expect(asked).toEqual([256 * KIB]); // the link is asked once
  link.drainTo(257 * KIB);
  expect(log).toEqual([]);
  link.drainTo(256 * KIB);
  expect(log).toEqual(["a", "b"]);
  link.drainTo(0);
  expect(log).toEqual(["a", "b"]);
});
it("asks again for whoever is held back again at once", () => {
  const { link, asked, drain } = setUp();
  let times = 0;
  const resume = (): void => {
    if (++times < 3) drain.whenDrained(resume);
  };
  drain.whenDrained(resume);
  for (let n = 0; n < 5; n++) link.drainTo(0);
  expect([times, asked.length]).toEqual([3, 3]);
});
it("lets nobody go on once it was stopped", () => {
  const { link, drain } = setUp();
  let resumed = false;
  drain.whenDrained(() => {
    resumed = true;
  });
  drain.stop();
  link.drainTo(0);
  expect(resumed).toBe(false);
});
it("hands the link what waits for the end of the turn, so that it drains once that is through, and not at once, again and again", () => {
  const { link, batcher, drain } = setUp();
  batcher.bytes = 1024 * KIB + 1; // one large message is enough
  expect(drain.congested).toBe(true);
  let resumed = 0;
  drain.whenDrained(() => resumed++);
  link.drainTo(link.bytes); // it looks at once
  expect([resumed, batcher.bytes]).toEqual([0, 0]);
  link.drainTo(0);
  expect([resumed, drain.congested]).toEqual([1, false]);
});
it("one that throws when it is to go on keeps nobody else back, and is told", () => {
  const { link, failures, drain } = setUp();
  let resumed = false;
  drain.whenDrained(() => {
    throw new Error("a fault");
  });
  drain.whenDrained(() => {
    resumed = true;
  });
  link.drainTo(0);
  expect([resumed, failures]).toEqual([true, [new Error("a fault")]]);
});
