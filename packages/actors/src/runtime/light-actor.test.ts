import { beforeEach, expect, it, vi } from "vitest";
import { assign, emit, setup } from "xstate";
import { simulatedRuntime } from "../testing/index.ts";
import { ActorRegistry } from "./actor-registry.ts";

const counter = setup({
  types: {
    input: {} as { from: number },
    context: {} as { n: number },
    events: {} as { type: "add"; n: number } | { type: "break" } | { type: "end" },
    emitted: {} as { type: "added"; n: number } | { type: "large" },
  },
  actions: {
    add: assign(({ context }, n: number) => ({ n: context.n + n })),
    tell: emit(({ context }) => ({ type: "added" as const, n: context.n })),
    breakDown: () => {
      throw new Error("broken");
    },
  },
}).createMachine({
  id: "counter",
  initial: "small",
  context: ({ input }) => ({ n: input.from }),
  on: { break: { actions: "breakDown" }, end: ".over" },
  states: {
    small: {
      always: { guard: ({ context }) => context.n >= 10, target: "large" },
      on: { add: { actions: [{ type: "add", params: ({ event }) => event.n }, "tell"] } },
    },
    large: { entry: [emit({ type: "large" })] },
    over: { type: "final" },
  },
});
beforeEach(() => {
  vi.spyOn(console, "warn").mockImplementation(() => {}); // XState warns of events for what has stopped
});
function both(work: (registry: ActorRegistry, log: string[], failed: (error: unknown) => void) => void): string[][] {
  return [{}, { inspect: () => {} }].map((options) => {
    const log: string[] = [];
    const failed = (error: unknown) => void log.push(`owner: ${String(error)}`);
    const onFailure = (path: string, error: unknown) => void log.push(`${path}: ${String(error)}`);
    work(new ActorRegistry({ runtime: simulatedRuntime({ seed: 1 }), ...options, onFailure } as never), log, failed);
    return log;
  });
}

it("does what a whole XState actor does: effects after the step, sends from listeners after the event in hand", () => {
  const [light, whole] = both((registry, log) => {
    registry.watch().subscribe(({ path, state }) => log.push(`${path} ${state}`));
    const actor = registry.startLight({ kind: "queue", path: "a" }, counter, { from: 1 });
    const other = registry.startLight({ kind: "queue", path: "b" }, counter, { from: 9 });
    actor.on("added", ({ n }) => {
      log.push(`a added ${n}, is ${actor.getSnapshot().context.n}`);
      if (n < 4) actor.send({ type: "add", n: 2 });
      other.send({ type: "add", n: 1 });
      log.push("a heard");
    });
    actor.on("*", ({ type }) => log.push(`a any ${type}`));
    other.on("large", () => log.push("b large"));
    actor.send({ type: "add", n: 1 });
    log.push(...registry.list().map(({ path, state }) => `${path} is ${state}`));
    other.send({ type: "end" });
    registry.stop("a");
    actor.send({ type: "add", n: 1 });
    log.push(`${registry.list().length} left, a is ${actor.getSnapshot().context.n}`);
  });
  expect(light).toEqual(whole);
  expect(light).toContain("a added 4, is 4");
  expect(light?.at(-1)).toBe("0 left, a is 4");
});

it("leaves the registry when it throws, and its owner hears of it", () => {
  const [light, whole] = both((registry, log, failed) => {
    const actor = registry.startLight({ kind: "queue", path: "a", failed }, counter, { from: 1 });
    const other = registry.startLight({ kind: "queue", path: "b" }, counter, { from: 1 });
    actor.send({ type: "break" });
    actor.send({ type: "add", n: 1 });
    other.send({ type: "add", n: 1 });
    log.push(`a ${actor.getSnapshot().context?.n ?? 1}, b ${other.getSnapshot().context.n}`);
    log.push(...registry.list().map(({ path }) => path));
  });
  expect(light).toEqual(whole);
  expect(light).toEqual(["a: Error: broken", "owner: Error: broken", "a 1, b 2", "b"]);
});
