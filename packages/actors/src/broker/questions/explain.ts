import type { QueueLog } from "../../log/queue-log.ts";
import { type Offset, offset } from "../../message/brands.ts";
import { slotOf } from "../../message/route.ts";
import { clipped, cutToBytes, shown } from "../../message/text.ts";
import type { FailureInfo } from "../../protocol/frames.ts";
import { observe } from "../../protocol/questions/rights.ts";
import type { Explanation, KeyView } from "../../protocol/questions.ts";
import type { Queue } from "../../queue/queue.ts";
import type { GroupSubscription } from "../../subscription/group-subscription.ts";
import { scanLog } from "../../subscription/log-scan.ts";
import { SPAN_MAX } from "../../subscription/subscription-scope.ts";
import type { Group } from "../group.ts";
import type { QuestionTurn } from "../question-turns.ts";
import type { Rights } from "../session-rights.ts";
import type { TopicHome } from "../topic-home.ts";

/**
 * Groups that one reading of the log is for: each message of the key is looked up in each of them before the loop is
 * let go.
 */
const GROUPS_AT_ONCE = 64;

/** What one group has not done with the key, in the span from its cursor on: nothing further can be on its way. */
interface Look {
  readonly group: string;
  readonly subscription: GroupSubscription | undefined;
  readonly from: number;
  readonly to: number;
  /** There is more behind the span. */
  readonly isCut: boolean;
  /** Messages of the key that wait. */
  waiting: number;
  /** The first of them. */
  head: { readonly offset: number; readonly appendedAtMs: number } | null;
}

/**
 * Why a key is where it is, for every group that whoever asks may observe, from the state that decides. Looks at most
 * 10,000 messages beyond each group's cursor: nothing further can be on its way. The log is read once for all groups,
 * and of what is read the first message's place and a count are kept.
 */
export async function explainKey(
  topic: TopicHome,
  key: string,
  wallNow: number,
  { rest }: QuestionTurn,
  rights: Pick<Rights, "allows">,
): Promise<Explanation> {
  const slot = slotOf(key);
  const index = topic.route.runs.findLast(([first]) => first <= slot)?.[1] ?? 0;
  const queue = topic.queues[index] as Queue;
  const shown = topic.groups.filter(({ name }) => rights.allows(observe(topic.spec.name, name)));
  const looks = shown.map((group) => lookOf(queue, group));
  await lookThrough(queue.log, looks, new TextEncoder().encode(key), rest);
  const groups: KeyView[] = [];
  for (const look of looks) {
    if (groups.length % GROUPS_AT_ONCE === GROUPS_AT_ONCE - 1) await rest();
    groups.push(explainFor(queue, look, key, wallNow));
  }
  const text =
    groups.length === 0
      ? `no group ${topic.groups.length === 0 ? "" : "that you may observe "}consumes this topic`
      : cutToBytes(groups.map((view) => `${view.group}: ${view.text}`).join("; "), TEXT_OF_ALL_BYTES_MAX);
  return { topic: topic.spec.name, key, queue: index, text, groups };
}

function lookOf({ index, log }: Queue, group: Group): Look {
  const subscription = group.subscription(index);
  const from = subscription?.state.cursor ?? 0;
  const to = subscription === undefined ? 0 : Math.min(log.flushedEnd, from + SPAN_MAX);
  return { group: group.name, subscription, from, to, isCut: to < log.flushedEnd, waiting: 0, head: null };
}
/** Reads what any of them looks at, once. */
async function lookThrough(
  log: QueueLog,
  looks: readonly Look[],
  key: Uint8Array,
  rest: () => Promise<void>,
): Promise<void> {
  const inOrder = looks.filter(({ from, to }) => from < to).sort((a, b) => a.from - b.from);
  for (let first = 0; first < inOrder.length; ) {
    let { to } = inOrder[first] as Look;
    let end = first + 1;
    for (let next = inOrder[end]; next !== undefined && next.from <= to; next = inOrder[++end]) {
      if (end - first === GROUPS_AT_ONCE) break;
      to = Math.max(to, next.to);
    }
    const together = inOrder.slice(first, end);
    if (first > 0) await rest();
    const { from } = together[0] as Look;
    await scanLog(
      log,
      from,
      to,
      (offset, reader, { appendedAtMs }) => {
        if (!reader.hasKeyOf(key)) return;
        for (const look of together) {
          if (offset < look.from) return; // nor is it any later one's
          if (offset >= look.to || look.subscription?.state.isDone(offset) !== false) continue;
          look.waiting++;
          look.head ??= { offset, appendedAtMs };
        }
      },
      rest,
    );
    first = end;
  }
}

function explainFor(
  { log }: Queue,
  { group, subscription, isCut, waiting, head }: Look,
  key: string,
  wallNow: number,
): KeyView {
  const nothing = { group, backlog: 0, lagMs: 0, lease: null, blockedBy: null } as const;
  if (subscription === undefined) return { ...nothing, state: "idle", text: "has no subscription on this queue" };
  const { state, aside } = subscription;
  const lease = subscription.lease?.view() ?? null;
  const isUnleased = subscription.lease !== null && lease === null;
  const held =
    lease === null
      ? ""
      : `; lease epoch ${lease.epoch} held by ${lease.holder}, expires in ${seconds(lease.expiresInMs)}`;
  const strand = aside.parked(key);
  if (strand !== undefined) {
    const first = (strand.offsets[0] ?? 0) as Offset;
    const behind = strand.offsets.length - 1 + waiting;
    const since = timeOfDay(strand.sinceMs);
    const why =
      strand.phase === "redriving"
        ? `being redriven from message ${first} on`
        : `parked since ${since} behind message ${first}`;
    return {
      ...nothing,
      lease,
      state: "parked",
      backlog: behind + 1,
      lagMs: Math.max(0, wallNow - strand.sinceMs),
      blockedBy: { offset: first, attempt: strand.attempts, error: cutToBytes(strand.error.message, ERROR_BYTES_MAX) },
      text: `${why} (${told(strand.error)}); ${behind} behind it${held}`,
    };
  }
  if (head === null && isCut) {
    // what lies further on is not delivered before the cursor has moved, whatever key it has (rule 21)
    const { cursor } = state;
    return {
      ...nothing,
      lease,
      state: isUnleased ? "unleased" : state.halt !== null ? "halted" : "waiting",
      backlog: state.counts(log.flushedEnd).backlog,
      blockedBy: { offset: offset(cursor), attempt: (state.tried.get(cursor)?.attempts ?? 0) + 1, error: null },
      text: `nothing of this key is among the ${SPAN_MAX} messages from ${cursor} on; what is behind them waits until message ${cursor}, the oldest that is not settled, is${isUnleased ? "; nobody holds the queue's lease" : held}`,
    };
  }
  if (head === null) return { ...nothing, lease, state: "idle", text: `nothing of this key waits${held}` };
  const lagMs = Math.max(0, Math.round(wallNow - head.appendedAtMs));
  const tried = state.tried.get(head.offset);
  const base = { group, backlog: waiting, lagMs, lease };
  const blockedBy = { offset: offset(head.offset), attempt: (tried?.attempts ?? 0) + 1, error: null };
  const behind = `${waiting - 1} behind it`;
  if (state.halt !== null)
    return {
      ...base,
      state: "halted",
      blockedBy: {
        offset: offset(state.halt.offset),
        attempt: state.halt.attempts,
        error: cutToBytes(state.halt.error.message, ERROR_BYTES_MAX),
      },
      text: `the queue is halted at message ${state.halt.offset} (${told(state.halt.error)}); ${waiting} of this key wait`,
    };
  if (isUnleased)
    return {
      ...base,
      state: "unleased",
      blockedBy: null,
      text: `${waiting} wait, and nobody holds the queue's lease: no member of the group is connected, or it is being handed over`,
    };
  if (subscription.lease?.isQuarantined === true)
    return {
      ...base,
      state: "unleased",
      blockedBy: null,
      text: `${waiting} wait; the broker has restarted, and ${lease?.holder} may still hold the lease for another ${seconds(lease?.expiresInMs ?? 0)}`,
    };
  if (tried !== undefined && tried.attempts > 0)
    return {
      ...base,
      state: "backingOff",
      blockedBy,
      text: `message ${head.offset} has failed ${tried.attempts} time(s) and is tried again in place; ${behind}${held}`,
    };
  if (subscription.deliveredEnd > head.offset)
    return {
      ...base,
      state: "handling",
      blockedBy,
      text: `message ${head.offset} is with the consumer; ${behind}${held}`,
    };
  const ahead = Math.max(0, head.offset - state.cursor);
  return {
    ...base,
    state: "waiting",
    blockedBy: null,
    text: `message ${head.offset} waits its turn, ${ahead} message(s) of the queue before it; ${behind}${held}`,
  };
}
/** Bytes of the text over all groups: no frame has a longer one, and each view has its own. */
const TEXT_OF_ALL_BYTES_MAX = 32 * 1024;
/** Bytes of a failure's text in a view: there is one for each group, and all of them fit into a frame. */
const ERROR_BYTES_MAX = 1_024;
/** A failure in a text for a person. */
const told = ({ name, message }: FailureInfo): string => shown(`${clipped(name)}: ${clipped(message, 200)}`);
const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;

/** `14:02 UTC`, for people. */
function timeOfDay(wallMs: number): string {
  const minutes = Math.floor(wallMs / 60_000) % 1_440;
  return `${String(Math.floor(minutes / 60)).padStart(2, "0")}:${String(minutes % 60).padStart(2, "0")} UTC`;
}
