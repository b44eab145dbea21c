import { beforeEach, expect, it, vi } from "vitest";
import {
  type AnyStateMachine,
  assign,
  cancel,
  emit,
  enqueueActions,
  fromPromise,
  raise,
  sendTo,
  setup,
  spawnChild,
} from "xstate";
import { ActorRegistry } from "./actor-registry.ts";
import { simulatedRuntime } from "./simulated-runtime.ts";

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

const child = fromPromise(async () => {});
const parts = setup({
  actors: { child },
  actions: { tell: emit({ type: "told" }), later: raise({ type: "go" }, { delay: 5 }) },
});
const NOT_LIGHT: readonly (readonly [uses: string, machine: AnyStateMachine])[] = [
  ["`after`", parts.createMachine({ initial: "a", states: { a: { after: { 5: "b" } }, b: {} } })],
  ["`invoke`", parts.createMachine({ initial: "a", states: { a: { invoke: { src: "child", onDone: "b" } }, b: {} } })],
  ["`spawnChild`", parts.createMachine({ entry: spawnChild("child") })],
  ["`raise` with a delay", parts.createMachine({ on: { go: { actions: "later" } } })],
  ["`raise` with a delay", parts.createMachine({ initial: "a", states: { a: { exit: { type: "later" } } } })],
  ["`sendTo`", parts.createMachine({ entry: sendTo(({ self }) => self, { type: "go" }, { delay: 5 }) })],
  ["`sendTo`", parts.createMachine({ always: { actions: sendTo("other", { type: "go" }) } })],
  ["`cancel`", parts.createMachine({ exit: cancel("x") })],
  ["`enqueueActions`", parts.createMachine({ entry: enqueueActions(({ enqueue }) => enqueue.raise({ type: "go" })) })],
  [
    "`after`",
    parts.createMachine({ initial: "a", states: { a: { initial: "b", states: { b: { after: { 1: "b" } } } } } }),
  ],
];
it.each(NOT_LIGHT)("refuses a machine that uses %s when it is made", (uses, machine) => {
  const registry = new ActorRegistry({
    runtime: simulatedRuntime({ seed: 1 }),
    onFailure: () => {},
    dropped: () => {},
  });
  const start = () => registry.startLight({ kind: "queue", path: "a" }, machine, undefined as never);
  expect(start).toThrow(`uses ${uses}, which a light actor does not do`);
  expect(start, "again").toThrow(`uses ${uses}`);
  expect(registry.list()).toEqual([]);
});
it("fails a machine that spawns while it runs, which cannot be seen when it is made", () => {
  const machine = parts.createMachine({
    context: {},
    on: { go: { actions: assign(({ spawn }) => ({ child: spawn("child") })) } },
  });
  const failures: string[] = [];
  const registry = new ActorRegistry({
    runtime: simulatedRuntime({ seed: 1 }),
    onFailure: (path, error) => failures.push(`${path}: ${String(error)}`),
    dropped: () => {},
  });
  registry.startLight({ kind: "queue", path: "a" }, machine, undefined as never).send({ type: "go" } as never);
  expect(failures).toEqual(["a: Error: a light actor has no children"]);
  expect(registry.list()).toEqual([]);
});
it("takes undelayed `raise`, which is a step of its own", () => {
  const registry = new ActorRegistry({
    runtime: simulatedRuntime({ seed: 1 }),
    onFailure: () => {},
    dropped: () => {},
  });
  const machine = parts.createMachine({
    initial: "a",
    states: { a: { on: { go: { actions: raise({ type: "on" }) }, on: "b" } }, b: { entry: "tell" } },
  });
  const actor = registry.startLight({ kind: "queue", path: "a" }, machine, undefined as never);
  actor.send({ type: "go" });
  expect(registry.list().map(({ state }) => state)).toEqual(["b"]);
});
