import { describe, expect, it } from "vitest";
import type { StateEvent } from "../history-event.ts";
import { HistoryScript, threeSent } from "../history-script.fixture.ts";
import type { PromiseId } from "../verdict.ts";

/** Three messages, the first two handled. */
async function broken(state: Partial<StateEvent>): Promise<Partial<Record<PromiseId, string>>> {
  const script = new HistoryScript();
  const [m0, m1] = threeSent(script);
  const lease = script.consumer("consumer-1#1").granted(1, 1);
  for (const message of [m0, m1]) {
    lease.handling(message);
    lease.handled(message);
  }
  script.state(3, state);
  return script.broken();
}

describe("P9 accounted for", () => {
  it("finds an offset in two classes", async () => {
    expect((await broken({ parked: [2], discarded: [2] })).P9).toBe(
      "offset 2 of orders/0 for group billing is in two classes, parked and discarded",
    );
    expect((await broken({ settledRanges: [[2, 3]], deadLettered: [{ offset: 2 }] })).P9).toContain("two classes");
  });

  it("finds a class that reaches past the end, and a cursor outside the queue", async () => {
    expect((await broken({ discarded: [2, 3] })).P9).toContain("offset 3 is listed as discarded");
    expect((await broken({ cursor: 4 })).P9).toBe("the cursor of orders/0 for group billing is 4, outside 0 to 3");
  });

  it("finds counts that do not add up", async () => {
    expect((await broken({ settled: 1, discarded: [2] })).P9).toContain("add up to 2");
    expect((await broken({ filtered: 4 })).P9).toContain("counts 4 filtered, skipped and expired");
    expect((await broken({ cursor: 2, backlog: 0 })).P9).toContain("counts a backlog of 0");
    expect((await broken({ settledRanges: [[0, 1]], discarded: [2] })).P9).toContain("add up to 2");
  });

  it("accepts classes that add up, as lists or as counts", async () => {
    expect(await broken({ discarded: [2] })).toEqual({});
    expect(await broken({ settledRanges: [{ from: 0, to: 2 }], discarded: [2] })).toEqual({});
    expect(await broken({ settled: 2, filtered: 1, backlog: 0 })).toEqual({});
    expect(await broken({ skipped: [[2, 3]], settled: 2 })).toEqual({});
  });
});
