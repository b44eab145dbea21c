import { code, count, NOT_RUN, prose, table } from "../markdown.ts";
import type { Results } from "../results.ts";
import { COMMANDS, madeOn } from "../runs.ts";

const FUZZ_GOAL = "10 minutes";

export function hostile({ fuzz }: Results): string[] {
  return [
    "## Hostile clients and fuzzing",
    prose(
      `${code(COMMANDS.hostile)} runs the [attacks and their codes](security.md#attacks-and-their-codes) against a broker in a process of its own, beside a well-behaved client.`,
      "The broker must stay up and answer each with its code, the good client must miss nothing and get nothing out of order, and the broker's memory must come back to within 10 %.",
    ),
    prose(
      `Legal frames in bad taste (too many, too dear, about things of others) are [cases of their own](testing.md#hostile-clients-adding-a-case), in both codecs over both transports, some against a broker with a small heap; ${code("npm test")} runs those that are quick.`,
      "[What each frame and question costs](security.md#what-a-frame-costs) is measured.",
    ),
    "### Fuzzing",
    prose(
      "Seeded inputs: bytes for the decoders, and for the session legal sequences changed here and there, and legal frames in bulk: packets of hundreds, on several links, of who may do it and of who may not.",
      "Anything but a typed refusal, and any harm to another session, is a finding.",
      "What did something new is kept in a corpus that the tests replay.",
    ),
    ...(fuzz === null
      ? [`Fuzzing for ${FUZZ_GOAL} per target: ${NOT_RUN}.`]
      : [
          `${madeOn(fuzz)}.`,
          table(
            [
              "target",
              { figures: "seed" },
              { figures: "minutes" },
              { figures: "inputs" },
              { figures: "taken" },
              { figures: "refused" },
              { figures: "slowest, ms" },
              "finding",
            ],
            fuzz.targets.map(({ target, seed, seconds, inputs, taken, refused, slowestMs, finding }) => [
              code(target),
              `${seed}`,
              count(seconds / 60, 2),
              count(inputs),
              count(taken),
              count(refused),
              count(slowestMs),
              finding === null ? "none" : (finding.error.split("\n")[0] ?? ""),
            ]),
          ),
        ]),
  ];
}
