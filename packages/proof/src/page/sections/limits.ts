import { list } from "../markdown.ts";

export const limits = (): string[] => [
  "## What these runs cannot show",
  "All of them ran on one machine, with the cores that each figure names:",
  list([
    "True power loss. A killed process leaves its page cache to the system; the simulated disk loses what was not synced, and copies of files were cut and changed by hand.",
    "Disks that lie about a flush, or take long for an honest one.",
    "More than one host, and so networks other than loopback.",
    "Packets that the kernel delays, reorders or loses. The proxy holds, slows and cuts connections; reordering between links is simulated.",
    "Clocks of real hardware that drift. Jumps and standstills are simulated.",
    "Weeks. The longest run is as long as its row says.",
    "Windows, macOS and browsers under faults.",
  ]),
];
