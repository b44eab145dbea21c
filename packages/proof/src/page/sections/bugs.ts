import { BUGS, type Kept } from "../bugs.ts";
import { code, count, prose, table } from "../markdown.ts";

export const bugs = (): string[] => [
  "## Bugs found",
  prose(
    `${count(BUGS.length)} bugs of the product that this found, listed by hand; all are fixed. A dash means that it was wrong without breaking a promise, “not noted” that nobody wrote down how it was fixed.`,
    "A *regression plan* is the whole plan of the seed that failed, frozen, since what a seed draws changes with the simulation. A test runs all of them.",
  ),
  table(
    ["what broke", "promise", "found by", "fixed", "kept as"],
    BUGS.map(({ broke, promises, foundBy, fixed, kept }) => [
      broke,
      promises.join(", ") || "–",
      foundBy,
      fixed ?? "not noted",
      keptAs(kept),
    ]),
  ),
];
function keptAs(kept: Kept | null): string {
  if (kept === null) return "no test of its own";
  if ("regression" in kept) return `regression plan ${kept.regression}`;
  return `${code(kept.file.slice(kept.file.lastIndexOf("/") + 1))}: “${kept.test}”`;
}
