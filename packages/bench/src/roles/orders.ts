import { nowMs } from "../frame/message.ts";
import type { FromRole, ToRole } from "../frame/talk.ts";

export const tell = (message: FromRole): void => void process.send?.(message);
export const cpuMs = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};
export const onTold = <T extends ToRole["type"]>(
  type: T,
  listener: (message: Extract<ToRole, { readonly type: T }>) => void,
): void =>
  void process.on("message", (message: ToRole) => {
    if (message.type === type) listener(message as Extract<ToRole, { readonly type: T }>);
  });
const told = (type: ToRole["type"]): Promise<void> => new Promise((resolve) => onTold(type, () => resolve()));

/** What the parent tells once; heard from the first moment of the process. */
export const orders = {
  go: told("go"),
  warmed: told("warmed"),
  time: told("time"),
  sent: told("sent"),
  judge: told("judge"),
  end: told("end"),
};

process.on("disconnect", () => process.exit(1));
process.on("SIGINT", () => {}); // the parent decides
onTold("collect", async () => {
  for (let n = 0; n < 3; n++) {
    globalThis.gc?.(); // what finalizers let go of is collected by a later one
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const { heapUsed, external } = process.memoryUsage();
  tell({ type: "collected", usedBytes: heapUsed + external });
});
onTold("cpu", () => tell({ type: "cpu", cpuMs: cpuMs() }));

/** Says that the clock starts now. @returns tells what the `done` of this process needs from here on */
export function startClock(): () => { readonly type: "done"; readonly atMs: number; readonly cpuMs: number } {
  const before = cpuMs();
  tell({ type: "started", atMs: nowMs() });
  return () => ({ type: "done", atMs: nowMs(), cpuMs: cpuMs() - before });
}
