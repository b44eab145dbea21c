import { type Offset, offset } from "../message/brands.ts";
import { isMessagingError, MessagingError } from "../message/errors.ts";
import type { AsidePut, Settle, Settlement } from "../protocol/frames.ts";
import type { StoreWrite } from "../store/store.ts";
import type { Lease } from "./lease.ts";
import { changeFailure, type Ledger } from "./ledger.ts";
import { copiesOf } from "./log-scan.ts";
import type { MemberPort } from "./member-port.ts";
import { asideFull, holds, keyOf, type Strand } from "./set-aside.ts";

// What the holder of a lease reports of its messages: handled, failed so far, to be set aside.

type Account = Pick<Ledger, "state" | "aside">;

/**
 * Notes what a consumer reports (rule 21). Whatever was not delivered (from `deliveredEnd` on) is cut off. `writes`:
 * what belongs into the same commit, beside the state.
 */
export function applySettlement(
  { state, aside }: Account,
  settlement: Settlement,
  deliveredEnd: number,
): { readonly changed: boolean; readonly writes: readonly StoreWrite[] } {
  let changed = false;
  for (const [from, to] of settlement.ranges) if (state.settle(from, Math.min(to, deliveredEnd))) changed = true;
  for (const [at, attempts] of settlement.tried)
    if (at < deliveredEnd && !state.isDone(at) && state.noteTried(at, { attempts, losses: 0 })) changed = true;
  const writes = applyRedriven({ state, aside }, settlement);
  return { changed: changed || writes.length > 0, writes };
}
const NOTHING: readonly StoreWrite[] = [];

/**
 * The same of redriven messages; returns what belongs into the commit, nothing when nothing has changed. `over`: a
 * strand of which a message was reported.
 */
export function applyRedriven(
  { state, aside }: Account,
  settlement: Pick<Settlement, "redriven" | "redrivenTried">,
  over: (strand: Strand) => void = () => {},
): readonly StoreWrite[] {
  const { redriven, redrivenTried } = settlement;
  if (redriven.length === 0 && redrivenTried.length === 0) {
    state.advance();
    return NOTHING; // as most
  }
  const writes: StoreWrite[] = [];
  for (const { strand: id, offset: at } of redriven) {
    const strand = aside.ofRun(id);
    if (strand === undefined) continue;
    over(strand);
    const taken = aside.take(state, strand, at);
    if (taken.length > 0 && at >= state.cursor) state.settled.add(at, at + 1);
    writes.push(...taken);
  }
  const failed = new Set<Strand>();
  for (const { strand: id, offset: at, attempts } of redrivenTried) {
    const strand = aside.ofRun(id);
    // attempts of a message that has been put back since are over
    if (strand?.run !== id) continue;
    over(strand);
    if (aside.noteTried(strand, at, { attempts, losses: 0 })) failed.add(strand);
  }
  for (const strand of failed) writes.push(aside.strandWrite(strand)); // once, however often it was reported
  state.advance();
  return writes;
}

/** Takes a settle (rules 3, 21): judged in its turn, answered when it is stored. */
export function settle(lease: Lease, port: MemberPort, frame: Settle): void {
  const { ledger } = lease;
  ledger.take(port, frame, () => {
    lease.check();
    const flow = lease.flowTo(port, frame.epoch);
    if (flow === null) return refuseSettle(ledger, port, frame, lease.stale(frame.epoch));
    const { deliveredEnd } = flow;
    const beyond = frame.settlement.ranges.find(([from, to]) => from >= to || to > deliveredEnd);
    if (beyond !== undefined) {
      const text = `offsets ${beyond[0]} to ${beyond[1]} of ${ledger.path} were settled, delivered were those below ${deliveredEnd}`;
      return refuseSettle(ledger, port, frame, violation(text));
    }
    const { changed, writes } = applySettlement(ledger, frame.settlement, deliveredEnd);
    const { repeats } = lease;
    // one that changes nothing is no change of its own: its answer is that of the holder's last one, once all that it
    // rests on is stored
    const before = changed ? null : repeats.lastSettled;
    const { commit, revision } =
      before === null ? ledger.commit(writes, writes.length === 0) : { commit: ledger.unchanged(), revision: before };
    repeats.settled(frame.settle, revision);
    const answer = { member: port.member, queue: ledger.scope.place.queue, epoch: frame.epoch, settle: frame.settle };
    commit.flushed.then(
      () => port.send({ type: "settled", ...answer, revision }),
      () => {}, // the commit's failure ends the lease
    );
    lease.flowAgain();
  });
}
function refuseSettle({ scope }: Ledger, port: MemberPort, frame: Settle, error: MessagingError): void {
  const { topic, place, counters } = scope;
  counters?.settleRefused(error.code);
  const { epoch, settle, settlement } = frame;
  const messages = settlement.ranges.reduce((sum, [from, to]) => sum + to - from, settlement.redriven.length);
  topic.events.emit({ type: "settle.refused", ...place, epoch, code: error.code, messages });
  port.refuse({ type: "settle.refused", member: port.member, queue: place.queue, epoch, settle, error });
}

/**
 * Sets a message aside (rules 27, 29), in its turn: `park` with every message of its key that was delivered and is not
 * done (those the cursor's read reaches later are captured then), `dead-letter` alone, `halt` not at all: the queue
 * stands still at it. Memory changes and the commit is made in one go, behind the reads.
 *
 * What was done before, and is asked again because its answer was lost with a link, is not done again, whatever a
 * person has ordered since, and is answered with the change in which it was done. The flow stands from when this is
 * asked until it is answered: until then the holder drops what comes of the key.
 */
export function putAside(lease: Lease, port: MemberPort, frame: AsidePut): void {
  const { flow } = lease;
  const goOn = flow?.port === port ? flow.pause() : () => {};
  lease.ledger.take(port, frame, () => putAsideInTurn(lease, port, frame, goOn));
}
async function putAsideInTurn(lease: Lease, port: MemberPort, frame: AsidePut, goOn: () => void): Promise<void> {
  const { ledger, repeats } = lease;
  const { topic, place, log } = ledger.scope;
  const { parkedMessagesMax } = topic.spec;
  const refuse = (error: MessagingError) => {
    port.refuse({ type: "refused", request: frame.request, error });
    goOn();
  };
  lease.check();
  const flow = lease.flowTo(port, frame.epoch);
  if (flow === null) return refuse(lease.stale(frame.epoch));
  const { state, aside } = ledger;
  /** Commits what has changed (`null`: nothing has), and answers when it, or all that it rests on, is through. */
  const commit = (writes: readonly StoreWrite[] | null, answer: (revision: number) => void) => {
    state.advance();
    const commit = writes === null ? ledger.unchanged() : ledger.commit(writes).commit;
    const { revision } = state;
    commit.flushed
      .then(
        () => answer(revision),
        (error: unknown) => refuse(changeFailure(error)),
      )
      .catch((error: unknown) => port.fault(error, frame.type));
    lease.flowAgain();
  };
  const done = (offsets: readonly number[], writes: readonly StoreWrite[] | null, was?: number) =>
    commit(writes, (revision) => {
      const { request, epoch } = frame;
      port.send({
        type: "aside.done",
        request,
        member: port.member,
        queue: place.queue,
        epoch,
        revision: was ?? revision,
        offsets: offsets as Offset[],
      });
      flow.asideFlushed();
      goOn();
    });

  if (frame.redriven !== null) {
    const { redriven, attempts, error } = frame;
    const strand = aside.ofRun(redriven.strand);
    if (strand === undefined || !holds(strand, redriven.offset)) return done([], null);
    const was = repeats.putBackIn(strand, redriven);
    if (was !== undefined) {
      // it runs again by now, if somebody said so: from its head, since the holder drops what it is sent of it before
      // the answer
      flow.redrive(strand.id);
      return done([redriven.offset], null, was);
    }
    repeats.putBack(aside, strand, redriven, state.revision + 1);
    aside.runAnew(state, strand);
    return done([redriven.offset], [aside.turn(strand, { phase: "waiting", attempts, error })]);
  }
  if (state.isDone(frame.offset)) {
    // set aside before: what is left of all that went with it. None: it is settled or discarded by now, or went aside
    // by somebody's order
    const put = aside.putWith(frame.offset);
    return done(put?.offsets ?? [], null, put?.revision);
  }
  if (frame.offset >= flow.deliveredEnd)
    return refuse(
      violation(
        `offset ${frame.offset} of ${ledger.path} was set aside, delivered were those below ${flow.deliveredEnd}`,
      ),
    );
  // the queue has come to stand at it before, under this lease: it stands, or somebody has said since that the message
  // runs again
  const hasHalted = repeats.hasHalted(frame.offset);
  const halt = () => {
    lease.halt(frame);
    if (state.halt?.offset === frame.offset) repeats.halted(frame.offset); // it may stand at another
  };
  if (frame.kind === "halt") {
    const stands = state.halt !== null;
    if (!hasHalted) halt();
    return done([], hasHalted || stands ? null : []);
  }
  // a place may have become free since
  if (hasHalted || state.halt !== null) return refuse(asideFull(ledger.path, parkedMessagesMax));

  const parks = frame.kind === "park" && frame.key !== null;
  try {
    const scanned = await copiesOf(
      log,
      frame.offset,
      parks ? flow.deliveredEnd : frame.offset + 1,
      (at, key) => at === frame.offset || (key === frame.key && !state.isDone(at)),
    );
    lease.check();
    const still = lease.flowTo(port, frame.epoch);
    if (still !== flow)
      return refuse(still === null ? lease.stale(frame.epoch) : violation("the lease was resumed meanwhile"));
    const [head, ...followers] = scanned;
    if (head === undefined || head.offset !== frame.offset) return done([], null); // retention took it
    if (keyOf(head.message) !== frame.key)
      return refuse(violation(`offset ${frame.offset} of ${ledger.path} was set aside with a key that is not its own`));
    if (aside.messages + scanned.length > parkedMessagesMax) {
      halt();
      return commit([], () => refuse(asideFull(ledger.path, parkedMessagesMax)));
    }
    const { attempts, error, key } = frame;
    const kind = parks ? "parked" : "dead-letter";
    for (const copy of scanned) state.tried.delete(copy.offset);
    const sinceMs = topic.runtime.wallNow();
    const of = { kind, key, sinceMs, revision: state.revision + 1, attempts, error } as const;
    const { writes } = aside.begin(state, of, head, followers);
    done(
      scanned.map((copy) => copy.offset),
      writes,
    );
    goOn(); // it is parked: what comes of the key is set behind it
    const at = { ...place, offset: offset(frame.offset) };
    if (parks) topic.events.emit({ type: "key.parked", ...at, key: frame.key as string });
    else topic.events.emit({ type: "message.deadLettered", ...at, key });
  } catch (error) {
    if (!isMessagingError(error)) throw error; // a fault of ours: it may have stopped half way
    refuse(error);
  }
}
const violation = (text: string): MessagingError => new MessagingError("PROTOCOL_VIOLATION", text);
