import type { ChildRole } from "../frame/child-role.ts";
import { READY_MS_MAX, RUN_MS_MAX } from "../frame/run.ts";
import type { Load } from "../frame/system.ts";
import type { Done } from "../frame/talk.ts";

/** What has not been handled so long after the last acknowledgement of a send counts as lost. */
const DRAIN_MS_MAX = 120_000;

/** What a consumer says when it has handled all, or when no more is expected. */
export async function handledBy(receiver: ChildRole, waitMs = DRAIN_MS_MAX): Promise<Done> {
  const drained = setTimeout(() => receiver.tell({ type: "judge" }), waitMs);
  return await receiver.hear("done", RUN_MS_MAX).finally(() => clearTimeout(drained));
}
/** @throws when order, loss, a repetition or a send was wrong */
export function refuse(...found: readonly (readonly string[])[]): void {
  const wrong = found.flat();
  if (wrong.length > 0) throw new Error(`the run is not valid: ${wrong.slice(0, 3).join("; ")}`);
}
/** Has the producer send the warm-up, and waits until that is acknowledged and handled. */
export async function warmUp(sender: ChildRole, receivers: readonly ChildRole[] = []): Promise<void> {
  sender.tell({ type: "go" });
  await sender.hear("warm", RUN_MS_MAX);
  for (const receiver of receivers) receiver.tell({ type: "warmed" });
  await Promise.all(receivers.map((receiver) => receiver.hear("warm", DRAIN_MS_MAX)));
}
/** Starts the clocks. @returns when the producer's did, ms */
export async function startClocks(sender: ChildRole, receivers: readonly ChildRole[] = []): Promise<number> {
  for (const role of [...receivers, sender]) role.tell({ type: "time" });
  return (await sender.hear("started", READY_MS_MAX)).atMs;
}
export const rate = (messages: number, fromMs: number, toMs: number): number => messages / ((toMs - fromMs) / 1000);
/** CPU per message, µs; processes that nobody can tell of are left out. */
export function cpuPerMessage(load: Load, cpuMs: Readonly<Record<string, number | undefined>>): Record<string, number> {
  const told = Object.entries(cpuMs).filter((entry): entry is [string, number] => entry[1] !== undefined);
  return Object.fromEntries(told.map(([process, ms]) => [process, (ms * 1000) / load.messages]));
}
export const difference = (from: number | undefined, to: number | undefined): number | undefined =>
  from === undefined || to === undefined ? undefined : to - from;
