// Clients that send without end while the store of the broker, in a process of its own, does not come along.
// The table of attacks and codes is docs/security.md.

import { batchAppend, laneOpen, NOTHING_SETTLED, packedMessage } from "@seriatim/rig";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Attacker, Other, Target } from "./hostile.fixture.ts";

const MIB = 1024 * 1024;
/**
 * What may wait for the store of one queue is 64 MiB;
 * as much again for what else holds these bytes, and what has not been collected.
 */
const GROWTH_MAX = 192 * MIB;
const SENT_MIN = 400 * MIB;

let broker: Other;
const target = new Target(0);
async function memory(): Promise<number> {
  const { heapUsed, external } = await broker.command("memory");
  return heapUsed + external;
}
beforeAll(async () => {
  [broker, target.url] = await Other.start("broker");
});
afterAll(() => broker?.killNow());

it("batches, settles and requests for leases and lanes without end: what waits is bounded, and all are served once the store is back", async () => {
  const writer = await Attacker.welcome(target.url);
  const steal = await target.openLane(writer, "writer", "steal");
  writer.say(batchAppend(steal.epoch, steal.expected, { messages: packedMessage() }));
  await writer.answer({ type: "batch.appended", from: 0 });
  const { attacker: holder, epoch } = await target.holder("steal", "holder");
  holder.say({ type: "credit", member: 1, queue: 0, epoch, messages: 1_000, bytes: 1e9 });
  await holder.answer({ type: "deliver", from: 0 });
  const flood = await Attacker.welcome(target.url);
  const evil = await target.openLane(flood, "flood");
  const before = await memory();
  await broker.command("stall");

  // batches: taken up to the bound, then refused; the link stays
  const large = Buffer.concat(Array.from({ length: 14 }, () => packedMessage(60_000)));
  let sent = 0;
  for (let sequence = evil.expected; sent < SENT_MIN; sequence++, sent += large.length) {
    flood.say(batchAppend(evil.epoch, sequence, { count: 14, messages: new Uint8Array(large) }));
    if (sequence % 10 === 9) await flood.request({ type: "topic.find", topic: "evil" }); // it has read all that
  }
  const refusals = flood.frames.filter(({ type }) => type === "batch.refused");
  expect((refusals[0] as unknown as { error: { code: string } }).error.code).toBe("LIMIT_EXCEEDED");
  expect(flood.closeCode).toBeNull();

  // settles: their link ends
  const settle = {
    type: "settle",
    member: 1,
    queue: 0,
    epoch,
    settle: 0,
    settlement: { ...NOTHING_SETTLED, ranges: [[0, 1]] },
  };
  for (let packets = 0; packets < 40 && holder.closeCode === null; packets++) {
    holder.say(...Array.from({ length: 1_000 }, () => settle));
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect([await holder.ended(), holder.goodbye]).toEqual([1013, "LIMIT_EXCEEDED"]);

  // lanes, over and over
  const opener = await Attacker.welcome(target.url);
  for (let n = 0; n < 2_000; n++)
    opener.say(laneOpen("evil", { lane: 2, request: opener.next() }), { type: "lane.close", lane: 2 });
  expect(await opener.request({ type: "topic.find", topic: "evil" })).toBe("topic.found");
  const refused = opener.frames.filter(({ type }) => type === "refused") as unknown as { error: { code: string } }[];
  expect(new Set(refused.map(({ error }) => error.code))).toEqual(new Set(["UNAVAILABLE"]));

  expect((await memory()) - before).toBeLessThan(GROWTH_MAX);
  expect(broker.isUp).toBe(true);

  await broker.command("goOn");
  for (const attacker of [flood, opener]) attacker.socket.terminate();
  const honest = await Attacker.welcome(target.url);
  const lane = await target.openLane(honest, "honest");
  const from = honest.frames.length;
  honest.say(batchAppend(lane.epoch, lane.expected));
  expect(await honest.answer({ type: "batch.appended", from })).toMatchObject({ sequence: lane.expected });
  honest.socket.terminate();
  writer.socket.terminate();
  expect(broker.stderr).toBe("");
}, 120_000);
