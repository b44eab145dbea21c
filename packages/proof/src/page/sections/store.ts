import { code, list, prose } from "../markdown.ts";
import { COMMANDS } from "../runs.ts";

export const store = (): string[] => [
  "## Store crashes and damaged files",
  prose(
    `${code(COMMANDS.store)} kills brokers and writing processes at random times, copies their LMDB files, cuts the copies short and turns bits over.`,
    "A copy must open with everything that was acknowledged, or be refused with `STORE_DAMAGED`; never with less. `CRASH_SEED` chooses other times and places.",
  ),
  "What is not noticed when the folder is opened ([the store contract](architecture.md#store-contract)):",
  list([
    'a damaged batch in the middle of a log: it shows when it is read, or at open with `check: "full"`',
    "damage in LMDB's list of free pages: it shows at a later write",
    "about 3 in 1,000 single-bit flips, which make LMDB itself end the process",
  ]),
];
