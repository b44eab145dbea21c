import type { ChildProcess } from "node:child_process";
import { rmSync } from "node:fs";

/** What must not outlive the bench, however it ends. */
export const leftBehind = {
  /** Process groups of servers. */
  groups: new Set<number>(),
  roles: new Set<ChildProcess>(),
  folders: new Set<string>(),
};
export function killGroup(group: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-group, signal);
  } catch {
    // it has ended
  }
}
process.on("exit", () => {
  for (const role of leftBehind.roles) role.kill("SIGKILL");
  for (const group of leftBehind.groups) killGroup(group, "SIGKILL");
  // Whoever was writing there has been told to end, but may not have ended yet.
  for (const folder of leftBehind.folders) rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
});
