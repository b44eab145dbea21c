// lane.machine.ts: may this producer write to one queue right now, and if not, what has to happen first?
import { type ActorRefFrom, assign, fromPromise, setup } from "xstate";
import { asMessagingError, type ErrorCode, type MessagingError } from "../message/errors.ts";
import type { SequenceMatch } from "./lane-buffer.ts";

/** How the queue refused a batch or the lane itself. `passing`: it may take it later. `outOfSequence`: it expects another number. `unknown`: it does not know this producer (any more). */
export type RefusalKind = "passing" | "outOfSequence" | "fenced" | "unknown" | "final";
export interface Refusal {
  readonly kind: RefusalKind;
  readonly error: MessagingError;
  /** How long to wait before trying again. */
  readonly retryMs: number;
}
/** What the lane knows and does. In the machine's input rather than given with `provide`, which would build the machine anew for each lane. */
export interface LaneEffects {
  readonly isLinked: boolean;
  /** Open on the present link. */
  readonly isOpen: boolean;
  /** Every message has its receipt. */
  readonly isFinished: boolean;
  /** Something would have to be sent again if the queue lost it. */
  readonly holdsMessages: boolean;
  /** Opens the lane on the present link if it is not, waits for the answers still due, and goes back to what the queue expects. Rejects with a `Refusal`. */
  agree(signal: AbortSignal): Promise<SequenceMatch>;
  /** Writes what has piled up to the link, as far as batches may be in flight. */
  pump(): void;
  /** Says that the queue lost receipted messages; what is held is numbered anew, in the next epoch. */
  startAnew(): void;
  /** Fails every numbered message. `null`: the queue has no more to say of this epoch. */
  endEpoch(error: MessagingError | null): void;
  /** Fails everything the lane has. */
  failAll(error: MessagingError): void;
  /** Tells the producer, which ends all its lanes. */
  announceFenced(error: MessagingError): void;
}
type LaneInput = { readonly effects: LaneEffects };
type LaneContext = LaneInput & { retryMs: number; code: ErrorCode | null };
export type LaneEvent =
  | { type: "lane.filled" } // messages have piled up
  | { type: "lane.fence" } // another lane of this producer was fenced
  | { type: "link.opened" }
  | { type: "link.lost" }
  | { type: "batch.appended" }
  | { type: "batch.refused"; refusal: Refusal };

const lane = setup({
  types: { input: {} as LaneInput, context: {} as LaneContext, events: {} as LaneEvent },
  actors: {
    agree: fromPromise<SequenceMatch, LaneInput>(({ input, signal }) => input.effects.agree(signal)),
  },
  delays: { retryDelay: ({ context }) => context.retryMs },
  guards: {
    isLinked: ({ context }) => context.effects.isLinked,
    isOpen: ({ context }) => context.effects.isOpen,
    isFinished: ({ context }) => context.effects.isFinished,
    holdsMessages: ({ context }) => context.effects.holdsMessages,
    isAhead: (_, match: SequenceMatch) => match === "ahead",
    isOver: (_, match: SequenceMatch) => match === "over",
    isKind: (_, params: { readonly refusal: Refusal; readonly kind: RefusalKind }) =>
      params.refusal.kind === params.kind,
  },
  actions: {
    recordRefusal: assign((_, refusal: Refusal) => ({ retryMs: refusal.retryMs, code: refusal.error.code })),
    clearRefusal: assign({ retryMs: 0, code: null }),
    pump: ({ context }) => context.effects.pump(),
    startAnew: ({ context }) => context.effects.startAnew(),
    endEpoch: ({ context }, error: MessagingError | null) => context.effects.endEpoch(error),
    failAll: ({ context }, error: MessagingError) => context.effects.failAll(error),
    announceFenced: ({ context }, error: MessagingError) => context.effects.announceFenced(error),
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
        input: ({ context }) => ({ effects: context.effects }),
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
