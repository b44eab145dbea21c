// lane.machine.ts: may this producer write to one queue right now, and if not, what has to happen first?
import { type ActorRefFrom, assign, emit, fromPromise, setup } from "xstate";
import { asMessagingError, type ErrorCode, type MessagingError } from "../message/errors.ts";
import type { SequenceMatch } from "./lane-buffer.ts";
import type { Refusal, RefusalKind } from "./lane-refusals.ts";

/** How the lane is, looked at when the machine is told something. */
export interface LaneState {
  readonly isLinked: boolean;
  /** Open on the present link. */
  readonly isOpen: boolean;
  /** Every message has its receipt. */
  readonly isFinished: boolean;
  /** Something would have to be sent again if the queue lost it. */
  readonly holdsMessages: boolean;
  /**
   * Opens the lane on the present link if it is not, waits for the answers still due, and goes back to what the queue
   * expects. Rejects with a `Refusal`.
   */
  agree(signal: AbortSignal): Promise<SequenceMatch>;
}
type LaneInput = { readonly lane: LaneState };
type LaneContext = LaneInput & { retryMs: number; code: ErrorCode | null };
export type LaneEvent =
  | { readonly type: "lane.filled" } // messages have piled up
  | { readonly type: "lane.fence" } // another lane of this producer was fenced
  | { readonly type: "link.opened" }
  | { readonly type: "link.lost" }
  | { readonly type: "batch.appended" }
  | { readonly type: "batch.refused"; readonly refusal: Refusal };
export type LaneEmitted =
  /** Write what has piled up to the link, as far as batches may be in flight. */
  | { readonly type: "batches.due" }
  /** The queue has lost receipted messages; what is held is numbered anew, in the next epoch. */
  | { readonly type: "tail.lost" }
  /** Every numbered message fails. `null`: the queue has no more to say of this epoch. */
  | { readonly type: "epoch.over"; readonly error: MessagingError | null }
  /** Everything that the lane has fails. */
  | { readonly type: "lane.refused"; readonly error: MessagingError }
  /** All lanes of the producer end. */
  | { readonly type: "lane.fenced"; readonly error: MessagingError };

const lane = setup({
  types: {
    input: {} as LaneInput,
    context: {} as LaneContext,
    events: {} as LaneEvent,
    emitted: {} as LaneEmitted,
  },
  actors: {
    agree: fromPromise<SequenceMatch, LaneInput>(({ input, signal }) => input.lane.agree(signal)),
  },
  delays: { retryDelay: ({ context }) => context.retryMs },
  guards: {
    isLinked: ({ context }) => context.lane.isLinked,
    isOpen: ({ context }) => context.lane.isOpen,
    isFinished: ({ context }) => context.lane.isFinished,
    holdsMessages: ({ context }) => context.lane.holdsMessages,
    isAhead: (_, match: SequenceMatch) => match === "ahead",
    isOver: (_, match: SequenceMatch) => match === "over",
    isKind: (_, params: { readonly refusal: Refusal; readonly kind: RefusalKind }) =>
      params.refusal.kind === params.kind,
  },
  actions: {
    recordRefusal: assign((_, refusal: Refusal) => ({ retryMs: refusal.retryMs, code: refusal.error.code })),
    clearRefusal: assign({ retryMs: 0, code: null }),
    pump: emit({ type: "batches.due" }),
    startAnew: emit({ type: "tail.lost" }),
    endEpoch: emit((_, error: MessagingError | null) => ({ type: "epoch.over" as const, error })),
    failAll: emit((_, error: MessagingError) => ({ type: "lane.refused" as const, error })),
    announceFenced: emit((_, error: MessagingError) => ({ type: "lane.fenced" as const, error })),
  },
});

const isKind = (kind: RefusalKind) => ({
  type: "isKind" as const,
  params: ({ event }: { event: Extract<LaneEvent, { type: "batch.refused" }> }) => ({ refusal: event.refusal, kind }),
});
const refusal = ({ event }: { event: Extract<LaneEvent, { type: "batch.refused" }> }): Refusal => event.refusal;
const refusalError = ({ event }: { event: Extract<LaneEvent, { type: "batch.refused" }> }): MessagingError =>
  event.refusal.error;
/** The same answers wherever a batch may be refused. */
const whenRefused = [
  { guard: isKind("fenced"), target: "fenced", actions: { type: "announceFenced", params: refusalError } },
  { guard: isKind("passing"), target: "blocked", actions: { type: "recordRefusal", params: refusal } },
  { guard: isKind("outOfSequence"), target: "rewinding" },
  { guard: isKind("unknown"), target: "rewinding", reenter: true, actions: { type: "endEpoch", params: null } },
  { target: "rewinding", reenter: true, actions: { type: "endEpoch", params: refusalError } },
] as const;
const isErrorKind = (kind: RefusalKind) => ({
  type: "isKind" as const,
  params: ({ event }: { event: { error: unknown } }) => ({ refusal: event.error as Refusal, kind }),
});
const rejection = ({ event }: { event: { error: unknown } }): Refusal => event.error as Refusal;
const rejectionError = ({ event }: { event: { error: unknown } }): MessagingError =>
  asMessagingError(rejection({ event }).error);

export const laneMachine = lane.createMachine({
  id: "lane",
  initial: "idle",
  context: ({ input }) => ({ ...input, retryMs: 0, code: null }),
  on: { "lane.fence": ".fenced" },
  states: {
    idle: {
      on: {
        "lane.filled": [
          { guard: "isOpen", target: "sending" },
          { guard: "isLinked", target: "rewinding" },
          { target: "blocked" },
        ],
        "link.opened": { guard: "holdsMessages", target: "rewinding" },
        "link.lost": {},
        "batch.appended": {},
        "batch.refused": whenRefused,
      },
    },
    sending: {
      entry: ["clearRefusal", "pump"],
      on: {
        "lane.filled": { actions: "pump" },
        "batch.appended": [{ guard: "isFinished", target: "idle" }, { actions: "pump" }],
        "batch.refused": whenRefused,
        "link.lost": "blocked",
        "link.opened": "rewinding",
      },
    },
    rewinding: {
      invoke: {
        src: "agree",
        input: ({ context }) => ({ lane: context.lane }),
        onDone: [
          {
            guard: { type: "isAhead", params: ({ event }) => event.output },
            target: "rewinding",
            reenter: true,
            actions: "startAnew",
          },
          {
            guard: { type: "isOver", params: ({ event }) => event.output },
            target: "rewinding",
            reenter: true,
            actions: { type: "endEpoch", params: null },
          },
          { guard: "isFinished", target: "idle" },
          { target: "sending" },
        ],
        onError: [
          {
            guard: isErrorKind("fenced"),
            target: "fenced",
            actions: { type: "announceFenced", params: rejectionError },
          },
          { guard: isErrorKind("passing"), target: "blocked", actions: { type: "recordRefusal", params: rejection } },
          {
            guard: isErrorKind("unknown"),
            target: "rewinding",
            reenter: true,
            actions: { type: "endEpoch", params: null },
          },
          { target: "idle", actions: { type: "failAll", params: rejectionError } },
        ],
      },
      on: {
        "lane.filled": {},
        "batch.appended": {},
        "batch.refused": whenRefused,
        "link.lost": "blocked",
        "link.opened": { target: "rewinding", reenter: true },
      },
    },
    blocked: {
      // no link: its opening ends the wait
      after: { retryDelay: { guard: "isLinked", target: "rewinding" } },
      on: {
        "link.opened": "rewinding",
        "link.lost": {},
        "lane.filled": {},
        "batch.appended": {},
        "batch.refused": [
          { guard: isKind("fenced"), target: "fenced", actions: { type: "announceFenced", params: refusalError } },
          { guard: isKind("passing"), actions: { type: "recordRefusal", params: refusal } },
          { guard: isKind("outOfSequence") },
          { guard: isKind("unknown"), target: "rewinding", actions: { type: "endEpoch", params: null } },
          { target: "rewinding", actions: { type: "endEpoch", params: refusalError } },
        ],
      },
    },
    fenced: {
      on: {
        "lane.filled": {},
        "lane.fence": {},
        "link.opened": {},
        "link.lost": {},
        "batch.appended": {},
        "batch.refused": {},
      },
    },
  },
});
export type LaneRef = ActorRefFrom<typeof laneMachine>;
