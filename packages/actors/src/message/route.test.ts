import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { evenRuns, murmur3, SLOTS, slotOf, slotTable } from "./route.ts";

const utf8 = new TextEncoder();
const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);

describe("murmur3", () => {
  // published vectors of MurmurHash3_x86_32
  it.each([
    ["", 0, 0x00000000],
    ["", 1, 0x514e28b7],
    ["", 0xffffffff, 0x81f16f39],
    ["hello", 0, 0x248bfa47],
    ["hello, world", 0, 0x149bbb7f],
    ["The quick brown fox jumps over the lazy dog", 0, 0x2e4ff723],
    ["a", 0x9747b28c, 0x7fa09ea6],
    ["ab", 0x9747b28c, 0x74875592],
    ["abc", 0x9747b28c, 0xc84a62dd],
    ["abcd", 0x9747b28c, 0xf0478627],
    ["Hello, world!", 0x9747b28c, 0x24884cba],
    ["ππππππππ", 0x9747b28c, 0xd58063c1],
    ["The quick brown fox jumps over the lazy dog", 0x9747b28c, 0x2fa826cd],
  ])("gives the published hash of %o with seed %i", (text, seed, hash) => {
    expect(murmur3(utf8.encode(text), seed)).toBe(hash);
  });
  it.each([
    [bytes(0xff, 0xff, 0xff, 0xff), 0, 0x76293b50],
    [bytes(0x21, 0x43, 0x65, 0x87), 0, 0xf55b516b],
    [bytes(0x21, 0x43, 0x65, 0x87), 0x5082edee, 0x2362f9de],
    [bytes(0x21, 0x43, 0x65), 0, 0x7e4a8634],
    [bytes(0x21, 0x43), 0, 0xa0f7b07a],
    [bytes(0x21), 0, 0x72661cf4],
    [bytes(0, 0, 0, 0), 0, 0x2362f9de],
    [bytes(0, 0, 0), 0, 0x85f0b427],
    [bytes(0, 0), 0, 0x30f4c306],
    [bytes(0), 0, 0x514e28b7],
  ])("gives the published hash of bytes %o with seed %i", (data, seed, hash) => {
    expect(murmur3(data, seed)).toBe(hash);
  });
  it("does not depend on where the bytes lie in their buffer", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.nat(5), (data, shift) => {
        const larger = new Uint8Array(data.length + shift + 4).fill(0xaa);
        larger.set(data, shift);
        expect(murmur3(larger.subarray(shift, shift + data.length))).toBe(murmur3(data));
      }),
    );
  });
});

describe("slotOf", () => {
  it("is fixed for ever: the low twelve bits of the hash of the key's UTF-8", () => {
    expect(slotOf("hello")).toBe(0xa47);
    expect(slotOf("")).toBe(0);
    expect(slotOf("ππππππππ")).toBe(murmur3(utf8.encode("ππππππππ")) & 4_095);
  });
  it("spreads keys evenly over the slots", () => {
    const counts = new Uint32Array(SLOTS);
    const keys = SLOTS * 64;
    for (let index = 0; index < keys; index++) counts[slotOf(`customer-${index}`)]!++;
    const chiSquare = counts.reduce((sum, count) => sum + (count - 64) ** 2 / 64, 0);
    // 4,095 degrees of freedom: five standard deviations (of 90.5) around the mean
    expect(Math.abs(chiSquare - 4_095)).toBeLessThan(453);
  });
});

describe("evenRuns", () => {
  it("gives every slot to one queue, in order, and no queue more than one slot more than another: for 1 to 4,096 queues", () => {
    for (let queues = 1; queues <= SLOTS; queues++) {
      const runs = evenRuns(queues);
      if (runs.length !== queues || runs[0]![0] !== 0)
        expect.fail(`${queues} queues: ${runs.length} runs from ${runs[0]?.[0]}`);
      const owned = new Uint16Array(queues);
      let before = 0;
      for (const queue of slotTable({ runs })) {
        if (queue < before || queue > before + 1) expect.fail(`${queues} queues: queue ${queue} after ${before}`);
        before = queue;
        owned[queue]!++;
      }
      const least = Math.floor(SLOTS / queues);
      if (!owned.every((slots) => slots === least || slots === least + 1)) expect.fail(`${queues} queues: ${owned}`);
    }
  });
});

describe("slotTable", () => {
  it("lets a run reach to the next one, the last to the end", () => {
    const table = slotTable({
      runs: [
        [0, 2],
        [10, 0],
        [4_095, 1],
      ],
    });
    expect([table[0], table[9], table[10], table[4_094], table[4_095]]).toEqual([2, 2, 0, 0, 1]);
  });
});
