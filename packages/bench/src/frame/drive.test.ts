import { describe, expect, it } from "vitest";
import { Arrivals, expectedOf } from "./arrivals.ts";
import { Driver } from "./drive.ts";
import { type Message, type Outgoing, readBody } from "./message.ts";
import { LOAD, type Load, sentOf } from "./system.ts";

const load: Load = { ...LOAD, messages: 7, warmUp: 4, bytes: 200, keys: 3, queues: 1, window: 2 };

describe("a driver", () => {
  it("goes on after the warm-up with the same keys and the next numbers, so that both are judged as one", async () => {
    const arrivals = new Arrivals(expectedOf(load));
    const driver = new Driver(load, {
      send({ body, acknowledged }) {
        arrivals.take(readBody(body));
        queueMicrotask(acknowledged);
      },
    });
    expect(await driver.send(0, load.warmUp)).toEqual([]);
    expect([arrivals.taken, arrivals.complete]).toEqual([4, false]);
    expect(await driver.send(load.warmUp, sentOf(load))).toEqual([]);
    expect([arrivals.taken, arrivals.complete, arrivals.verdict()]).toEqual([11, true, []]);
  });
  it("resolves when all it sent is acknowledged, with no more in flight than the window", async () => {
    const open: Outgoing[] = [];
    let most = 0;
    const driver = new Driver(load, {
      send(message) {
        open.push(message);
        most = Math.max(most, open.length);
        setTimeout(() => open.shift()?.acknowledged(), 1);
      },
    });
    await driver.send(0, load.warmUp);
    expect([open.length, most]).toEqual([0, 2]);
  });
  it("makes as many bodies as can be in flight before it sends, and none for a message", async () => {
    const bodies = new Set<Uint8Array>();
    const driver = new Driver(load, {
      send({ body, buffer, acknowledged }) {
        bodies.add(body);
        expect([body.length, buffer.buffer]).toEqual([load.bytes, body.buffer]);
        queueMicrotask(acknowledged);
      },
    });
    await driver.send(0, sentOf(load));
    expect(bodies.size).toBe(load.window);
  });
  it("says when a message was sent only where the row asks for it, and tells of each that was acknowledged", async () => {
    const times = async (asked: Partial<Load>): Promise<readonly number[]> => {
      const told: number[] = [];
      const note = ({ sentAtMs }: Message): void => void told.push(sentAtMs);
      const driver = new Driver(
        { ...load, ...asked },
        { send: ({ acknowledged }) => queueMicrotask(acknowledged) },
        note,
      );
      await driver.send(0, 2);
      return told;
    };
    expect(await times({})).toEqual([0, 0]);
    for (const sentAtMs of [...(await times({ repeats: true })), ...(await times({ perSecond: 1_000 }))])
      expect(sentAtMs).toBeGreaterThan(0);
  });
  it("names what was not acknowledged", async () => {
    const refuse = { send: ({ failed }: Outgoing) => failed(new Error("full")) };
    expect(await new Driver(load, refuse).send(0, 1)).toEqual(["Error: full"]);
    const silent = { send: ({ failed }: Outgoing) => failed(undefined) };
    expect(await new Driver(load, silent).send(0, 1)).toEqual(["Error: failed without an error"]);
  });
});
