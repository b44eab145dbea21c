import { PROMISES } from "@seriatim/testing";
import { code, count, NOT_RUN, prose, table } from "../markdown.ts";
import type { Chaos, Results } from "../results.ts";
import { madeOn } from "../runs.ts";

const FIGURES: readonly (readonly [string, (chaos: Chaos) => number])[] = [
  ["rounds", ({ rounds }) => rounds],
  ["rounds that failed", ({ failedRounds }) => failedRounds],
  ["messages acknowledged", ({ acknowledged }) => acknowledged],
  ["handled, by all groups", ({ handled }) => handled],
  ["handled again", ({ handledAgain }) => handledAgain],
  ["retried in place", ({ retried }) => retried],
  ["parked at the end", ({ parked }) => parked],
  ["redriven on the way", ({ redriven }) => redriven],
  ["receipts of repeated sends", ({ duplicateReceipts }) => duplicateReceipts],
  ["stale settles refused", ({ staleSettlesRefused }) => staleSettlesRefused],
  ["writes fenced out", ({ writesFencedOut }) => writesFencedOut],
  ["kills", ({ kills }) => kills],
  ["kills with work in flight", ({ killsWithWorkInFlight }) => killsWithWorkInFlight],
  ["freezes beyond the lease", ({ freezesBeyondLease }) => freezesBeyondLease],
  ["cuts", ({ cuts }) => cuts],
  ["cuts in the middle of a frame", ({ midFrameCuts }) => midFrameCuts],
  ["calls of the store that failed with EIO", ({ ioErrorCalls }) => ioErrorCalls],
  ["ends of the broker because of that", ({ brokerAborts }) => brokerAborts],
  ["planned faults that found nothing to strike", ({ skipped }) => skipped],
];

export function chaos({ chaos: results }: Results): string[] {
  const intro = prose(
    "A broker on LMDB, producers and consumers, each a process of its own, replay a real event log over WebSocket while they are killed, frozen and cut off, and their disk fills and fails.",
    "After each phase all is healed and must drain; after each round the history of all processes is judged.",
  );
  if (results === null) return ["## Process chaos", intro, `Process chaos: ${NOT_RUN}.`];
  const { seed, rate, verdict, diskFullBy, ioErrorsBy, explained } = results;
  const checked = PROMISES.filter((promise) => (results.checks[promise] ?? 0) + (results.violations[promise] ?? 0) > 0);
  const kinds = Object.entries(results.byKind).sort(([a], [b]) => (a < b ? -1 : 1));
  return [
    "## Process chaos",
    intro,
    prose(
      `Seed ${seed} at ${count(rate)} messages a second: ${tookTime(results)}: **${verdict}**.`,
      `The disk is full by ${diskFullBy}; EIO by ${ioErrorsBy}.`,
      `${madeOn(results)}.`,
    ),
    table(
      ["", { figures: "count" }],
      FIGURES.map(([name, of]) => [name, count(of(results))]),
    ),
    table(
      ["promise", { figures: "times checked" }, { figures: "violations" }],
      checked.map((promise) => [promise, count(results.checks[promise] ?? 0), count(results.violations[promise] ?? 0)]),
    ),
    "A round also fails when the outside world saw a gap, an order was answered wrongly, the accounts differ after a restart, a message has no receipt, or a process does not close in order.",
    ...Object.entries(explained).map(
      ([because, times]) =>
        `Explained by what the driver knows and a history cannot say, ${count(times)} times: ${because}.`,
    ),
    "### Faults whose effect was seen, and the time until what they had stopped went on",
    table(
      ["fault", { figures: "times" }, { figures: "p50, ms" }, { figures: "longest, ms" }],
      kinds.map(([kind, times]) => {
        const recovery = results.recoveryMs[kind];
        const measured = recovery !== undefined && recovery.count > 0;
        return [code(kind), count(times), measured ? count(recovery.p50) : "", measured ? count(recovery.max) : ""];
      }),
    ),
    prose(
      "After kills, restarts of everything and freezes of consumers the time counts from the strike, downtime included; after other faults from when they were over.",
    ),
  ];
}

/** What was asked for is not what was run, when a run was interrupted or gave up. */
export const tookTime = ({ minutes, seconds }: Chaos): string =>
  seconds === undefined
    ? `asked for ${count(minutes, 1)} minutes, time taken not recorded`
    : `${count(seconds / 60, 1)} minutes of ${count(minutes, 1)} asked for`;
