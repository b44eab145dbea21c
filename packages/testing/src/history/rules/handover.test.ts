import { describe, expect, it } from "vitest";
import { HistoryScript, threeSent } from "../history-script.fixture.ts";

function begun() {
  const script = new HistoryScript();
  const [m0] = threeSent(script);
  const first = script.consumer("consumer-1#1").granted(1, 1);
  const second = script.consumer("consumer-2#1");
  return { script, m0, first, second };
}

describe("what a lease has committed", () => {
  it("is not handled again once it was confirmed as settled (P9)", async () => {
    const { script, m0, first, second } = begun();
    first.does(m0, 2);
    first.released(3);
    second.granted(2, 4).handling(m0);
    expect((await script.broken()).P9).toBe(
      'consumer-2#1 handles message "m0" (key "a", orders/0 offset 0) for group billing under epoch 2, although it was settled under epoch 1 in revision 2',
    );
  });
  it("may be handled again when the settling was never confirmed, after a redrive, a seek, or a power loss", async () => {
    const unconfirmed = begun();
    unconfirmed.first.handling(unconfirmed.m0);
    unconfirmed.first.handled(unconfirmed.m0);
    unconfirmed.second.granted(2, 2).does(unconfirmed.m0, 3);
    expect((await unconfirmed.script.broken()).P9).toBeUndefined();
    for (const excuse of ["redriven", "sought", "power"]) {
      const { script, m0, first, second } = begun();
      first.does(m0, 2);
      if (excuse === "redriven") script.admin("redriven", m0, 3);
      else if (excuse === "sought") script.sought(3, 0, 3);
      else script.fault("powerLoss", "broker#1");
      second.granted(2, 4).handling(m0);
      expect((await script.broken()).P9).toBeUndefined();
    }
  });
  it("counts failed attempts on over a release (P6)", async () => {
    const { script, m0, first, second } = begun();
    first.fails(m0, 1);
    first.fails(m0, 2);
    first.released(2);
    second.granted(2, 3).handling(m0, 2);
    expect((await script.broken()).P6).toContain("as attempt 2, although attempt 2 had failed at consumer-1#1");
    const kept = begun();
    kept.first.fails(kept.m0, 1);
    kept.first.released(2);
    kept.second.granted(2, 3).handling(kept.m0, 2);
    expect((await kept.script.broken()).P6).toBeUndefined();
  });
  it("need not count an attempt that the holder itself stopped, or one of a lease that was lost", async () => {
    const stopped = begun();
    stopped.first.handling(stopped.m0);
    stopped.first.aborted(stopped.m0);
    stopped.first.failed(stopped.m0);
    stopped.first.released(2);
    stopped.second.granted(2, 3).handling(stopped.m0, 1);
    expect((await stopped.script.broken()).P6).toBeUndefined();
    const lost = begun();
    lost.first.fails(lost.m0, 1);
    lost.first.lost();
    lost.second.granted(2, 2).handling(lost.m0, 1);
    expect((await lost.script.broken()).P6).toBeUndefined();
  });
});
