import { describe, expect, it } from "vitest";
import { simulatedRuntime } from "../runtime/simulated-runtime.ts";
import type { Form } from "./forms.ts";
import { StartGate } from "./start-gate.ts";

/** A gate whose form takes a message while `mayTake` says so. */
function gateFor(mayTake: () => boolean): StartGate {
  const gate = new StartGate(simulatedRuntime({ seed: 1 }), () => {});
  gate.form = { ready: () => mayTake(), take: () => {}, end: () => {} } satisfies Form;
  return gate;
}
/** Starts one message each time it is pumped, and stands in line again while it has more. */
function queue(gate: StartGate, name: string, messages: number, started: string[], isHeldUp: { now: boolean }) {
  let left = messages;
  const pump = () => {
    left--;
    started.push(name);
    if (left > 0) standInLine();
  };
  const standInLine = () => {
    isHeldUp.now = true;
    expect(gate.pass(0, pump)).toBe(false);
    isHeldUp.now = false;
  };
  standInLine();
  return pump;
}

describe("a start gate", () => {
  it("lets those that wait start in the order in which they came, each once", () => {
    const isHeldUp = { now: false };
    const gate = gateFor(() => !isHeldUp.now);
    const started: string[] = [];
    for (const name of ["a", "b", "c"]) queue(gate, name, 2, started, isHeldUp);
    gate.open();
    expect(started).toEqual(["a", "b", "c"]);
    gate.open();
    expect(started).toEqual(["a", "b", "c", "a", "b", "c"]);
    gate.open();
    expect(started).toHaveLength(6);
  });
  it("goes on with the next one where the last turn had to stop", () => {
    const isHeldUp = { now: false };
    let free = 0;
    const gate = gateFor(() => !isHeldUp.now && free-- > 0);
    const started: string[] = [];
    for (const name of ["a", "b", "c"]) queue(gate, name, 9, started, isHeldUp);
    for (let turn = 0; turn < 3; turn++) {
      free = 2;
      gate.open();
    }
    expect(started).toEqual(["a", "b", "c", "a", "b", "c"]);
  });
  it("knows nobody who has left", () => {
    const isHeldUp = { now: false };
    const gate = gateFor(() => !isHeldUp.now);
    const started: string[] = [];
    const gone = queue(gate, "gone", 1, started, isHeldUp);
    queue(gate, "here", 1, started, isHeldUp);
    gate.leave(gone);
    gate.open();
    expect(started).toEqual(["here"]);
  });
  it("lets so many start in a turn of the event loop, and tells when the next one has come", async () => {
    const runtime = simulatedRuntime({ seed: 1 });
    let turns = 0;
    const gate = new StartGate(runtime, () => turns++);
    expect(gate.pass(0, () => {})).toBe(false); // nobody consumes yet
    gate.form = { ready: () => true, take: () => {}, end: () => {} };
    for (let start = 0; start < 1_024; start++) expect(gate.pass(0, () => {})).toBe(true);
    expect(gate.pass(0, () => {})).toBe(false);
    await runtime.advance(1);
    expect(turns).toBe(1);
    expect([gate.pass(10, () => {}), gate.pass(15, () => {})]).toEqual([true, false]); // its time is up before its number
    await runtime.advance(1);
    expect(turns).toBe(2);
  });
});
