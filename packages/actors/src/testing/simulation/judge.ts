import { storeKeys } from "../../queue/records.ts";
import { checkHistory } from "../history/check-history.ts";
import type { HistoryEvent } from "../history/history-event.ts";
import type { PromiseId } from "../history/verdict.ts";
import type { PlannedWorld } from "./planned-world.ts";
import type { Problem } from "./world.ts";

/** What a message that was appended a second time may break. */
const BY_ID: ReadonlySet<PromiseId> = new Set(["P1", "P2", "P10"]);

/** Holds the finished run's history against the promises. */
export async function judge(world: PlannedWorld): Promise<Problem[]> {
  const verdict = await checkHistory(world.book.lines);
  const forgotten = forgottenIds(world);
  return verdict.violations
    .filter(({ promise, events }) => promise !== "P6" || !events.some((event) => isUnclear(world, event)))
    .filter(
      ({ promise, events }) => !BY_ID.has(promise) || !events.some((event) => wasForgotten(world, forgotten, event)),
    )
    .map(({ promise, text, events }) => ({
      promise,
      text: `${text}\n${events.map((event) => `      ${JSON.stringify(event)}`).join("\n")}`,
      atMs: null,
    }));
}

/**
 * Known gap (seed 285): ids of what retention has removed (settled by all, in a topic that says so or in a store without room) are not there to be read back,
 * so a broker that was restarted, or has reloaded, takes such a message a second time although `idWindowMs` has not passed. By id: the first incarnation of the log in which it stood at a place that is gone.
 */
function forgottenIds(world: PlannedWorld): Map<string, number> {
  const forgotten = new Map<string, number>();
  for (const line of world.book.lines) {
    if (!isPlaced(line)) continue;
    const log = world.disk.logs.get(storeKeys.log(line.topic, Number(line.queue)));
    if (log === undefined || line.offset >= log.extent().start) continue;
    const name = `${line.topic} ${line.id}`;
    forgotten.set(name, Math.min(forgotten.get(name) ?? Number.POSITIVE_INFINITY, line.logEpoch ?? 0));
  }
  return forgotten;
}
/** By a broker that came later; or by the same one, which reads its ids anew when a commit has failed. */
function wasForgotten(world: PlannedWorld, forgotten: ReadonlyMap<string, number>, event: HistoryEvent): boolean {
  if (event.type === "emitted") return world.topics.some(({ name }) => forgotten.has(`${name} ${event.cause}`));
  if (!isPlaced(event)) return false;
  const since = forgotten.get(`${event.topic} ${event.id}`);
  const reloads = world.counters.counts.commitFailed > 0 ? 1 : 0;
  return since !== undefined && (event.logEpoch ?? 0) + reloads > since;
}
type Placed = Extract<HistoryEvent, { readonly offset: number; readonly queue: unknown; readonly id: string | null }>;
const isPlaced = (line: HistoryEvent): line is Placed =>
  "offset" in line && "queue" in line && "id" in line && line.id !== null;

/** An order about its key went out and was never answered: whether the key was open is then not known from the history. */
function isUnclear(world: PlannedWorld, event: HistoryEvent): boolean {
  if (event.type !== "handling" && event.type !== "parked") return false;
  return world.unclear.has(world.keyName(event.topic, event.group, event.key));
}
