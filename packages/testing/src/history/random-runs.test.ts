import { describe, expect, it } from "vitest";
import { checkHistory } from "./check-history.ts";
import type { HistoryEvent } from "./history-event.ts";
import { type Bug, type ReferenceOptions, ReferenceSystem } from "./reference-system/reference-system.fixture.ts";
import type { PromiseId } from "./verdict.ts";

const EXPECTED: Readonly<Record<Bug, PromiseId>> = {
  appendsOutOfOrder: "P1",
  appendsTwice: "P2",
  losesFlushed: "P3",
  settlesUpTo: "P3",
  grantsTwice: "P4",
  releasesBusy: "P5",
  forgetsInHand: "P5",
  overtakesFailed: "P6",
  leaksParked: "P6",
  acceptsStaleSettles: "P7",
  forgetsEpochs: "P7",
  leavesBehind: "P8",
  countsTwice: "P9",
};

function optionsOf(seed: number): ReferenceOptions {
  return {
    seed,
    steps: 600,
    durability: seed % 2 === 0 ? "memory" : "flushed",
    exhausted: (["park", "dead-letter", "park", "halt"] as const)[(seed >> 1) % 4]!,
    concurrency: (seed >> 3) % 2 === 0 ? 1 : 3,
  };
}

describe("checkHistory on runs of a reference system", () => {
  it("finds nothing wrong in correct runs with lost answers, kills, pauses, crashes, hung handlers and seeks", async () => {
    for (let seed = 1; seed <= 80; seed++) {
      const { violations } = await checkHistory(new ReferenceSystem(optionsOf(seed)).run());
      expect(violations, `seed ${seed}`).toEqual([]);
    }
  });

  it("finds nothing wrong when killed processes did not come to write their last answers", async () => {
    for (let seed = 1; seed <= 80; seed++) {
      const { violations } = await checkHistory(withoutLastAnswers(new ReferenceSystem(optionsOf(seed)).run(), seed));
      expect(violations, `seed ${seed}`).toEqual([]);
    }
  });

  it("finds nothing wrong when receipts and set-aside lines do not know the log's incarnation", async () => {
    for (let seed = 1; seed <= 80; seed++) {
      const events = new ReferenceSystem(optionsOf(seed))
        .run()
        .map((event) => (TELL_NO_LOG_EPOCH.has(event.type) ? { ...event, logEpoch: null } : event));
      const { violations } = await checkHistory(events as HistoryEvent[]);
      expect(violations, `seed ${seed}`).toEqual([]);
    }
  });

  it.each(Object.entries(EXPECTED) as [Bug, PromiseId][])("finds that a system %s, by %s", async (bug, promise) => {
    const found = new Set<PromiseId>();
    for (let seed = 1; seed <= 60 && !found.has(promise); seed++) {
      const { violations } = await checkHistory(new ReferenceSystem({ ...optionsOf(seed), bug }).run());
      for (const violation of violations) found.add(violation.promise);
    }
    expect([...found]).toContain(promise);
  });
});

const TELL_NO_LOG_EPOCH: ReadonlySet<string> = new Set(["sent", "redriven", "discarded"]);
/** Written after what they tell has happened, so that a killed process may not have come to it. */
const ANSWERS: ReadonlySet<string> = new Set([
  "granted",
  "settled",
  "settleRefused",
  "released",
  "deadLettered",
  "parked",
  "sent",
]);

/** Takes up to three answers off the end of each killed process. */
function withoutLastAnswers(events: readonly HistoryEvent[], seed: number): HistoryEvent[] {
  const killed = new Set(
    events.map((event) => (event.type === "fault" && event.fault === "kill" ? event.target : undefined)),
  );
  const taken = new Map<string, number>();
  const kept = events.toReversed().filter((event) => {
    const already = taken.get(event.process) ?? 0;
    const isTaken = killed.has(event.process) && ANSWERS.has(event.type) && already < (seed + event.n) % 4;
    taken.set(event.process, isTaken ? already + 1 : 4);
    return !isTaken;
  });
  return kept.reverse();
}
