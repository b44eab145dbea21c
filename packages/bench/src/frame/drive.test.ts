import { describe, expect, it } from "vitest";
import { Arrivals, expectedOf } from "./arrivals.ts";
import { drive } from "./drive.ts";
import type { Message } from "./message.ts";
import { LOAD, type Load, sentOf } from "./system.ts";

const load: Load = { ...LOAD, messages: 7, warmUp: 4, bytes: 200, keys: 3, queues: 1, window: 2 };

describe("drive", () => {
  it("goes on after the warm-up with the same keys and the next numbers, so that both are judged as one", async () => {
    const arrivals = new Arrivals(expectedOf(load));
    const take = {
      send(message: Message, settled: () => void) {
        arrivals.take(message);
        queueMicrotask(settled);
      },
    };
    expect(await drive(load, take, 0, load.warmUp)).toEqual([]);
    expect([arrivals.taken, arrivals.complete]).toEqual([4, false]);
    expect(await drive(load, take, load.warmUp, sentOf(load))).toEqual([]);
    expect([arrivals.taken, arrivals.complete, arrivals.verdict()]).toEqual([11, true, []]);
  });
  it("resolves when all it sent is acknowledged, with no more in flight than the window", async () => {
    const open: (() => void)[] = [];
    let most = 0;
    const slow = {
      send: (_: Message, settled: () => void) => {
        open.push(settled);
        most = Math.max(most, open.length);
        setTimeout(() => open.shift()?.(), 1);
      },
    };
    await drive(load, slow, 0, load.warmUp);
    expect([open.length, most]).toEqual([0, 2]);
  });
  it("names what was not acknowledged", async () => {
    const refuse = { send: (_: Message, settled: (error?: unknown) => void) => settled(new Error("full")) };
    expect(await drive(load, refuse, 0, 1)).toEqual(["Error: full"]);
  });
});
