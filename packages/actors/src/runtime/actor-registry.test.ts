import { describe, expect, it } from "vitest";
import { emit, setup } from "xstate";
import type { ActorView } from "../contracts/actors.ts";
import { ActorRegistry } from "./actor-registry.ts";
import { simulatedRuntime } from "./simulated-runtime.ts";

const machine = setup({
  types: { events: {} as { type: "go" } | { type: "tell" }, emitted: {} as { type: "told" } },
}).createMachine({
  initial: "off",
  on: { tell: { actions: emit({ type: "told" }) } },
  states: { off: { on: { go: "on" } }, on: {} },
});
function registry(inspect?: () => void) {
  const failures: unknown[] = [];
  const actors = new ActorRegistry({
    runtime: simulatedRuntime({ seed: 1 }),
    inspect,
    onFailure: (path, error) => failures.push([path, error]),
    dropped: () => {},
  });
  return { actors, failures };
}

describe("what an actor shows", () => {
  it("is what its owner says for a snapshot, after each step of its machine and whenever it is looked at anew", () => {
    const { actors } = registry();
    const seen: string[] = [];
    actors.watch().subscribe(({ state }: ActorView) => seen.push(state));
    let more = "idle";
    const state = ({ value }: { readonly value?: unknown }) => (value === "on" ? more : "none");
    const actor = actors.startLight({ kind: "worker", path: "w", state }, machine, undefined);
    expect(actors.list().map((view) => view.state)).toEqual(["none"]);
    actor.send({ type: "go" });
    more = "busy";
    expect(actors.list().map((view) => view.state)).toEqual(["idle"]);
    actors.refresh("w");
    actors.refresh("nobody");
    expect(actors.list().map((view) => view.state)).toEqual(["busy"]);
    expect(seen).toEqual(["none", "idle", "busy"]);
  });
});

describe("a listener that throws", () => {
  it.each(["whole", "light", "light, inspected"])("ends its actor, and nothing else (%s)", (how) => {
    const { actors, failures } = registry(how === "light, inspected" ? () => {} : undefined);
    const seat = { kind: "worker", path: "w", failed: (error: unknown) => failures.push(error) } as const;
    const actor = how === "whole" ? actors.start(seat, machine, {}) : actors.startLight(seat, machine, undefined);
    const error = new Error("not foreseen");
    actor.on("told", () => {
      throw error;
    });
    actor.send({ type: "tell" });
    actor.send({ type: "go" });
    expect(actor.getSnapshot().value).toBe("off");
    expect(actors.list()).toEqual([]);
    expect(failures).toEqual([["w", error], error]);
  });
});
