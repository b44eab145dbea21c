import { ProgramError } from "@seriatim/rig";
import { afterEach, describe, expect, it, vi } from "vitest";
import { parseOptions } from "./options.ts";

const complaint = (...args: string[]): string => {
  try {
    parseOptions(args);
  } catch (error) {
    expect(error).toBeInstanceOf(ProgramError);
    expect((error as ProgramError).exitCode).toBe(2);
    return (error as ProgramError).message;
  }
  throw new Error(`accepted: ${args.join(" ")}`);
};

describe("parseOptions", () => {
  afterEach(() => vi.restoreAllMocks());

  it("has the defaults of the demo", () => {
    const { seed, ...options } = parseOptions([]) as Exclude<ReturnType<typeof parseOptions>, "help">;
    expect(Number.isInteger(seed)).toBe(true);
    expect(options).toEqual({
      producers: 2, consumers: 3, queues: 8, concurrency: 1, failRate: 0.01, poison: 3, exhausted: "park", faults: true, transport: "ws",
      durability: "flushed", rate: null, orders: 2_000, port: null, input: null, out: null, data: null, json: false,
    }); // biome-ignore format: one glance
  });
  it("takes every flag", () => {
    const args =
      "--producers 1 --consumers 5 --queues 16 --concurrency 4 --fail-rate 0.1 --poison 0 --exhausted halt --no-faults --transport memory " +
      "--durability synced --rate 500 --seed 7 --input f.csv --key K --time T --out o --data d --port 7400 --json";
    expect(parseOptions(args.split(" "))).toEqual({
      producers: 1, consumers: 5, queues: 16, concurrency: 4, failRate: 0.1, poison: 0, exhausted: "halt", faults: false, transport: "memory",
      durability: "synced", rate: 500, seed: 7, orders: 2_000, port: 7400, input: { file: "f.csv", key: "K", time: "T" }, out: "o", data: "d", json: true,
    }); // biome-ignore format: one glance
  });
  it.each([
    [["--nonsense"], "unknown option '--nonsense'"],
    [["stray"], "too many arguments"],
    [["--queues", "0"], "option '--queues <n>' argument '0' is invalid. It must be a whole number from 1 to 256."],
    [["--queues", "2.5"], "whole number"],
    [["--consumers", "many"], "argument 'many' is invalid"],
    [["--fail-rate", "1.5"], "from 0 to 1"],
    [["--rate", ""], "--rate"],
    [["--exhausted", "ignore"], "Allowed choices are park, dead-letter, halt."],
    [["--transport", "tcp"], "Allowed choices are ws, memory."],
    [["--seed"], "argument missing"],
    [["--input", "f.csv"], "--input needs --key"],
    [["--input", "f.csv", "--key", "K"], "--input needs --time"],
    [["--key", "K"], "--key needs --input"],
    [["--time", "T"], "--time needs --input"],
  ])("refuses %j in one line", (args, text) => {
    const message = complaint(...args);
    expect(message).toContain(text);
    expect(message).not.toContain("\n");
  });
  it("prints its help and does nothing else", () => {
    let printed = "";
    vi.spyOn(process.stdout, "write").mockImplementation((text) => {
      printed += String(text);
      return true;
    });
    expect(parseOptions(["--help"])).toBe("help");
    for (const flag of ["--producers", "--no-faults", "--transport", "--input", "--json"])
      expect(printed).toContain(flag);
  });
});
