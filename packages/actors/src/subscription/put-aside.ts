import { type Offset, offset } from "../message/brands.ts";
import { isMessagingError, MessagingError } from "../message/errors.ts";
import type { AsidePut } from "../protocol/frames.ts";
import type { StoreWrite } from "../store/store.ts";
import type { DeliveryFlow } from "./delivery-flow.ts";
import { changeFailure, type Ledger } from "./ledger.ts";
import { copiesOf } from "./log-scan.ts";
import type { MemberPort } from "./member-port.ts";
import type { Repeats } from "./repeats.ts";
import { holds, keyOf } from "./set-aside.ts";

/** The subscription in which something is set aside. */
export interface AsidePlace {
  readonly ledger: Ledger;
  readonly repeats: Repeats;
  /** The flow to this port, if it holds the lease under the frame's epoch right now; else the error that says so. */
  holding(port: MemberPort, frame: AsidePut): DeliveryFlow | MessagingError;
  halt(at: Pick<AsidePut, "offset" | "key" | "attempts" | "error">): void;
  /** Room or order may have changed: deliver on. */
  flowAgain(): void;
}

/**
 * Sets a message aside (rules 27, 29), in its turn: `park` with every message of its key that was delivered and is not done (those the cursor's read reaches later are captured then),
 * `dead-letter` alone, `halt` not at all: the queue stands still at it. Memory changes and the commit is made in one go, behind the reads.
 *
 * What was done before, and is asked again because its answer was lost with a link, is not done again, whatever a person has ordered since, and is answered with the change
 * in which it was done. `goOn`: lets the flow go on, which stands since this was asked: until it is answered the holder drops what comes of the key.
 */
export async function putAside(place: AsidePlace, port: MemberPort, frame: AsidePut, goOn: () => void): Promise<void> {
  const { ledger, repeats } = place;
  const { spec, log, runtime, queue } = ledger.context;
  const refuse = (error: MessagingError) => {
    port.refuse({ type: "refused", request: frame.request, error });
    goOn();
  };
  const flow = place.holding(port, frame);
  if (flow instanceof MessagingError) return refuse(flow);
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
    place.flowAgain();
  };
  const done = (offsets: readonly number[], writes: readonly StoreWrite[] | null, was?: number) =>
    commit(writes, (revision) => {
      const { request, epoch } = frame;
      port.send({
        type: "aside.done",
        request,
        member: port.member,
        queue,
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
      // it runs again by now, if somebody said so: from its head, since the holder drops what it is sent of it before the answer
      flow.redrive(strand.id);
      return done([redriven.offset], null, was);
    }
    repeats.putBack(aside, strand, redriven, state.revision + 1);
    aside.runAnew(state, strand);
    return done([redriven.offset], [aside.turn(strand, { phase: "waiting", attempts, error })]);
  }
  if (state.isDone(frame.offset)) {
    // set aside before: what is left of all that went with it. None: it is settled or discarded by now, or went aside by somebody's order
    const put = aside.putWith(frame.offset);
    return done(put?.offsets ?? [], null, put?.revision);
  }
  if (!flow.wasDelivered(frame.offset, frame.offset + 1))
    return refuse(
      violation(
        `offset ${frame.offset} of ${ledger.path} was set aside, delivered were those below ${flow.deliveredEnd}`,
      ),
    );
  // the queue has come to stand at it before, under this lease: it stands, or somebody has said since that the message runs again
  const hasHalted = repeats.hasHalted(frame.offset);
  const halt = () => {
    place.halt(frame);
    if (state.halt?.offset === frame.offset) repeats.halted(frame.offset); // it may stand at another
  };
  if (frame.kind === "halt") {
    const stands = state.halt !== null;
    if (!hasHalted) halt();
    return done([], hasHalted || stands ? null : []);
  }
  // a place may have become free since
  if (hasHalted || state.halt !== null) return refuse(asideFull(ledger.path, spec.parkedMessagesMax));

  const parks = frame.kind === "park" && frame.key !== null;
  try {
    const scanned = await copiesOf(
      log,
      frame.offset,
      parks ? flow.deliveredEnd : frame.offset + 1,
      (at, key) => at === frame.offset || (key === frame.key && !state.isDone(at)),
    );
    const still = place.holding(port, frame);
    if (still !== flow)
      return refuse(still instanceof MessagingError ? still : violation("the lease was resumed meanwhile"));
    const [head, ...followers] = scanned;
    if (head === undefined || head.offset !== frame.offset) return done([], null); // retention took it
    if (keyOf(head.message) !== frame.key)
      return refuse(violation(`offset ${frame.offset} of ${ledger.path} was set aside with a key that is not its own`));
    if (aside.messages + scanned.length > spec.parkedMessagesMax) {
      halt();
      return commit([], () => refuse(asideFull(ledger.path, spec.parkedMessagesMax)));
    }
    const { attempts, error, key } = frame;
    const kind = parks ? "parked" : "dead-letter";
    for (const copy of scanned) state.tried.delete(copy.offset);
    const of = { kind, key, sinceMs: runtime.wallNow(), revision: state.revision + 1, attempts, error } as const;
    const { writes } = aside.begin(state, of, head, followers);
    done(
      scanned.map((copy) => copy.offset),
      writes,
    );
    goOn(); // it is parked: what comes of the key is set behind it
    tellAside(ledger, frame, parks);
  } catch (error) {
    if (!isMessagingError(error)) throw error; // a fault of ours: it may have stopped half way
    refuse(error);
  }
}
function tellAside({ context }: Ledger, frame: AsidePut, parks: boolean): void {
  const { spec, queue, group, events } = context;
  const at = { topic: spec.name, queue, group, offset: offset(frame.offset) };
  if (parks) events.emit({ type: "key.parked", ...at, key: frame.key as string });
  else events.emit({ type: "message.deadLettered", ...at, key: frame.key });
}
const violation = (text: string): MessagingError => new MessagingError("PROTOCOL_VIOLATION", text);
export const asideFull = (path: string, max: number): MessagingError =>
  new MessagingError(
    "LIMIT_EXCEEDED",
    `${path} has set ${max} messages aside, its limit: it halts until some are redriven or discarded`,
    {
      data: { parkedMessagesMax: max },
    },
  );
