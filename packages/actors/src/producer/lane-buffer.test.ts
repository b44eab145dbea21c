import { describe, expect, it } from "vitest";
import { type Offset, offset, sequence } from "../message/brands.ts";
import { MessagingError } from "../message/errors.ts";
import type { AppendedRun } from "../protocol/frames.ts";
import { BATCH_BYTES_MAX, LaneBuffer } from "./lane-buffer.ts";
import { PendingSend } from "./pending-send.ts";

function setUp() {
  const told: string[] = [];
  const buffer = new LaneBuffer({
    sending: ({ id }) => told.push(`sending ${id}`),
    appended: ({ id }, at, duplicate) => told.push(`${duplicate ? "again" : "appended"} ${id}@${at}`),
    appendedAgain: ({ id }, at) => told.push(`moved ${id}@${at}`),
    released: ({ id }) => told.push(`released ${id}`),
  });
  let calls = 0;
  const push = (...ids: string[]): PendingSend[] =>
    ids.map((id) => {
      const send = new PendingSend(++calls, "k", id, 0, 0);
      buffer.space.take(10);
      buffer.space.slab.fill(calls, buffer.space.at, buffer.space.at + 10);
      send.packedIn(buffer.space, 10);
      buffer.push(send);
      return send;
    });
  const take = () => buffer.take(BATCH_BYTES_MAX);
  const answer = (
    from: number,
    count: number,
    at = from,
    { kept = from + count, duplicate = false, hold = false } = {},
  ) =>
    buffer.appended(
      { sequence: sequence(from), count, runs: [{ count, offset: offset(at), duplicate }], kept: sequence(kept) },
      hold,
    );
  return { buffer, push, take, answer, told };
}

describe("a lane's buffer", () => {
  it("numbers messages when they leave, and lets go of them with their receipt", () => {
    const { buffer, push, take, answer, told } = setUp();
    push("a", "b");
    expect(take()).toMatchObject({ sequence: 0, count: 2 });
    expect(take()).toBeNull();
    answer(0, 2, 7);
    expect(told).toEqual(["sending a", "sending b", "appended a@7", "appended b@8", "released a", "released b"]);
    expect([buffer.first, buffer.next, buffer.isFinished]).toEqual([2, 2, true]);
  });
  it("takes a batch as it lies where its messages were packed one behind another, else copies it", () => {
    const { buffer, push, take, answer } = setUp();
    push("a", "b");
    expect(take()?.messages.buffer).toBe(buffer.space.slab.buffer);
    answer(0, 2);
    expect(buffer.space.live).toBe(0);
    push("c");
    buffer.space.take(10); // of a message that was refused
    push("d");
    const bytes = take()?.messages as Uint8Array;
    expect(bytes.buffer).not.toBe(buffer.space.slab.buffer);
    expect([...bytes]).toEqual([...new Array(10).fill(3), ...new Array(10).fill(4)]);
  });
  it("keeps its slabs small while little is under way", () => {
    const { buffer, push, take, answer } = setUp();
    for (let n = 0; n < 10_000; n++) {
      push(`${n}`);
      take();
      answer(n, 1);
    }
    expect(buffer.space.slab.length).toBe(1_024);
    push(...Array.from({ length: 10_000 }, (_, n) => `${n}`));
    expect(buffer.space.slab.length).toBe(65_536);
  });
  it("passes over what was taken back, and gives it no number", () => {
    const { buffer, push, take } = setUp();
    const sends = push(...Array.from({ length: 200 }, (_, n) => `${n}`));
    for (const [n, send] of sends.entries()) if (n % 20 !== 0) buffer.remove(send);
    expect([...buffer.waiting()].map(({ id }) => id)).toEqual([
      "0",
      "20",
      "40",
      "60",
      "80",
      "100",
      "120",
      "140",
      "160",
      "180",
    ]);
    expect(buffer.unfinished).toBe(10);
    expect(take()).toMatchObject({ sequence: 0, count: 10 });
    expect(buffer.hasMore).toBe(false);
  });
  it("sends again from the oldest without a receipt, under the same numbers, and announces nothing twice", () => {
    const { buffer, push, take, answer, told } = setUp();
    push("a", "b");
    take();
    push("c");
    take();
    answer(0, 2);
    buffer.forgetInFlight();
    expect(buffer.rewind(3)).toBe("inSequence"); // c was appended, its receipt was lost
    expect(take()).toMatchObject({ sequence: 2, count: 1 });
    answer(2, 1, 2, { duplicate: true });
    expect(told.slice(-2)).toEqual(["again c@2", "released c"]);
    expect(told.filter((line) => line.startsWith("sending"))).toHaveLength(3);
  });
  it("holds what was receipted from memory until it is kept, and sends it again when it was lost", () => {
    const { buffer, push, take, answer, told } = setUp();
    push("a", "b", "c");
    take();
    answer(0, 3, 0, { kept: 1, hold: true });
    expect([buffer.first, buffer.unkept, buffer.unfinished]).toEqual([1, 2, 0]);
    expect(buffer.rewind(1)).toBe("inSequence");
    expect(buffer.isFinished).toBe(false);
    expect(take()).toMatchObject({ sequence: 1, count: 2 });
    answer(1, 2, 50, { kept: 3, hold: true });
    expect(told.filter((line) => line.startsWith("appended"))).toEqual([
      "appended a@0",
      "appended b@1",
      "appended c@2",
    ]);
    expect(told.filter((line) => line.startsWith("moved"))).toEqual(["moved b@50", "moved c@51"]);
    expect([buffer.unkept, buffer.isFinished]).toEqual([0, true]);
  });
  it("says when the queue expects less than is held, or more than was sent", () => {
    const { buffer, push, take, answer } = setUp();
    push("a", "b", "c");
    take();
    answer(0, 3);
    push("d");
    expect(buffer.rewind(2)).toBe("ahead");
    expect(buffer.rewind(9)).toBe("over");
    buffer.renumber();
    expect(take()).toMatchObject({ sequence: 0, count: 1 });
  });
  it("gives back, in order, what has no receipt when its epoch ends, and keeps what has no number", () => {
    const { buffer, push, take, answer, told } = setUp();
    push("a");
    take();
    answer(0, 1, 0, { kept: 0, hold: true });
    push("b", "c");
    take();
    push("d");
    const { unknown, notAppended } = buffer.fail(2);
    expect([unknown, notAppended].map((sends) => sends.map(({ id }) => id))).toEqual([["b"], ["c"]]);
    expect(told.slice(-3)).toEqual(["released a", "released b", "released c"]);
    buffer.renumber();
    expect(take()).toMatchObject({ sequence: 0, count: 1 });
  });
  it("still sees, when its epoch has ended, what the queue loses of what it let go of, and numbers nothing in it", () => {
    const { buffer, push, take, answer } = setUp();
    push("a", "b", "c");
    take();
    answer(0, 3);
    push("d");
    take();
    buffer.fail(Number.POSITIVE_INFINITY);
    expect([2, 3, 4].map((expected) => buffer.rewind(expected))).toEqual(["ahead", "over", "over"]);
    expect(buffer.first).toBe(3);
    buffer.renumber();
    expect(buffer.rewind(0)).toBe("inSequence");
  });
  it("passes no message over that was refused while the queue knew the batch behind it", () => {
    const { buffer, push, take, answer, told } = setUp();
    push("a", "b");
    take();
    push("c");
    take();
    buffer.forgetInFlight();
    buffer.rewind(3); // all three were appended, no receipt came
    buffer.take(15);
    buffer.take(15);
    take();
    buffer.refused(0);
    answer(1, 1, 1, { duplicate: true });
    answer(2, 1, 2, { duplicate: true });
    expect([buffer.receipted, buffer.isFinished]).toEqual([0, false]);
    buffer.rewind(3);
    expect(take()).toMatchObject({ sequence: 0, count: 3 });
    answer(0, 3, 0, { duplicate: true });
    expect(told.filter((line) => line.startsWith("again"))).toEqual(["again b@1", "again c@2", "again a@0"]);
    expect(buffer.isFinished).toBe(true);
  });
  it("refuses answers that fit nothing on its way", () => {
    const bad: ((lane: ReturnType<typeof setUp>) => void)[] = [
      ({ answer }) => answer(0, 1),
      ({ answer }) => answer(1, 2),
      ({ buffer }) => buffer.refused(5),
      ({ buffer }) =>
        buffer.appended(
          {
            sequence: sequence(0),
            count: 2,
            runs: [{ count: 1, offset: 0 as Offset, duplicate: false }],
            kept: sequence(2),
          },
          false,
        ),
      ({ buffer }) =>
        buffer.appended(
          {
            sequence: sequence(0),
            count: 2,
            runs: [
              { count: -5, offset: 0 as Offset, duplicate: false } as AppendedRun,
              { count: 7, offset: 0 as Offset, duplicate: false },
            ],
            kept: sequence(2),
          },
          false,
        ),
      (lane) => {
        lane.answer(0, 2);
        lane.answer(0, 2);
      },
    ];
    for (const attempt of bad) {
      const lane = setUp();
      lane.push("a", "b");
      lane.take();
      expect(() => attempt(lane)).toThrow(MessagingError);
    }
  });
});
