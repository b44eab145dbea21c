import { describe, expect, it } from "vitest";
import { WaitingLine } from "./waiting-line.ts";

/** Starts one message each time it is pumped, and stands in line again while it has more. */
function worker(line: WaitingLine, name: string, messages: number, started: string[]) {
  let left = messages;
  return {
    pump() {
      left--;
      started.push(name);
      if (left > 0) line.wait(this);
    },
  };
}

describe("WaitingLine", () => {
  it("lets those that wait start in the order in which they came, each once", () => {
    const line = new WaitingLine();
    const started: string[] = [];
    for (const name of ["a", "b", "c"]) line.wait(worker(line, name, 2, started));
    line.serve(() => true);
    expect(started).toEqual(["a", "b", "c"]);
    line.serve(() => true);
    expect(started).toEqual(["a", "b", "c", "a", "b", "c"]);
    line.serve(() => true);
    expect(started).toHaveLength(6);
  });
  it("goes on with the next one where the last turn had to stop", () => {
    const line = new WaitingLine();
    const started: string[] = [];
    for (const name of ["a", "b", "c"]) line.wait(worker(line, name, 9, started));
    const two = () => {
      let free = 2;
      return () => free-- > 0;
    };
    for (let turn = 0; turn < 3; turn++) line.serve(two());
    expect(started).toEqual(["a", "b", "c", "a", "b", "c"]);
  });
  it("knows nobody who has left", () => {
    const line = new WaitingLine();
    const started: string[] = [];
    const gone = worker(line, "gone", 1, started);
    line.wait(gone);
    line.wait(worker(line, "here", 1, started));
    line.leave(gone);
    line.serve(() => true);
    expect(started).toEqual(["here"]);
  });
});
