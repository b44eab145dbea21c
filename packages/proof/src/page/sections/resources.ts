import { count, NOT_RUN, prose, table } from "../markdown.ts";
import type { Resources, Results, Soak } from "../results.ts";
import { madeOn } from "../runs.ts";

export const resources = ({ resources: results, soak }: Results): string[] => [
  "## Resources",
  prose(
    "Memory after collection, in processes of their own, at several sizes. What one more takes is the slope of the line through them.",
  ),
  ...(results === null ? [`Memory per queue, connection and key in flight: ${NOT_RUN}.`] : measured(results)),
  "### Soak",
  prose(
    "Broker, producer and consumer over WebSocket and LMDB, at half of the load that they can take.",
    "A heap is flat when its last third is within 5 % of its middle third, or rises by less than 1 MB an hour.",
  ),
  ...(soak === null ? [`Soak: ${NOT_RUN}.`] : soaked(soak)),
];

const measured = (results: Resources): string[] => [
  `${madeOn(results)}.`,
  table(
    [
      "one more",
      "sizes measured",
      { figures: "heap, bytes" },
      { figures: "goal" },
      { figures: "resident, bytes" },
      { figures: "largest opened and described, ms" },
      "",
    ],
    results.resources.map(({ name, samples, heapBytesEach, goalBytes, rssBytesEach, kept }) => {
      const { openMs, describeMs } = samples.at(-1) ?? {};
      return [
        name,
        samples.map(({ size }) => count(size)).join(", "),
        count(heapBytesEach),
        goalBytes === null ? "" : count(goalBytes),
        count(rssBytesEach),
        openMs === undefined || describeMs === undefined ? "" : `${count(openMs)} + ${count(describeMs)}`,
        kept ? "" : "missed",
      ];
    }),
  ),
];

function soaked(results: Soak): string[] {
  const { minutes, messages, peakPerSecond, loadPerSecond, handledPerSecond, verdicts, wrong, passed } = results;
  return [
    prose(
      `${count(minutes, 1)} minutes at ${count(loadPerSecond)} messages a second, half of a peak of ${count(peakPerSecond)}; ${count(handledPerSecond)} handled a second, looks included.`,
      `${count(messages)} messages, ${count(wrong.length)} wrong. ${passed ? "Passed" : "**Not passed**"}. ${madeOn(results)}.`,
    ),
    ...wrong.map((text) => `Wrong: ${text}`),
    table(
      ["", { figures: "first look" }, { figures: "last look" }, { figures: "per hour" }, ""],
      verdicts.map(({ name, first, last, perHour, flat }) => {
        const isBytes = name === "store" || name.endsWith(" heap");
        const text = (value: number): string => (isBytes ? `${count(value / 1e6, 1)} MB` : count(value));
        return [name, text(first), text(last), text(perHour), flat ? "flat" : "**not flat**"];
      }),
    ),
  ];
}
