// consumer.machine.ts: does this consumer take messages, finish what it has, or is it over?
import { type ActorRefFrom, assign, emit, setup } from "xstate";
import type { MessagingError } from "../message/errors.ts";

export type ConsumerInput = Readonly<{
  /** From a fired signal until the handler is abandoned. */
  graceMs: number;
}>;
type ConsumerContext = ConsumerInput & Readonly<{ joined: boolean; timeoutMs: number; failure: MessagingError | null }>;
export type ConsumerEvent =
  | { readonly type: "consumption.started" }
  | { readonly type: "member.joined" }
  /** For good: trying again cannot help. */
  | { readonly type: "consumption.failed"; readonly error: MessagingError }
  | { readonly type: "consumer.close"; readonly timeoutMs: number }
  | { readonly type: "workers.ended" };
export type ConsumerEmitted =
  | { readonly type: "join.due" }
  | { readonly type: "consumer.joined" }
  /** Finish what is in hand; answer with `workers.ended`. */
  | { readonly type: "drain.begun"; readonly timeoutMs: number }
  /** The drain's time is up: whoever runs no handler needs no grace, and answers with `workers.ended`. */
  | { readonly type: "drain.late" }
  | { readonly type: "consumer.closed"; readonly failure: MessagingError | null };

/** What a drain may take past its deadline: the grace of what was aborted, and the last words of its lease. */
const LAST_WORDS_MS = 2_000;

const consumer = setup({
  types: {
    input: {} as ConsumerInput,
    context: {} as ConsumerContext,
    events: {} as ConsumerEvent,
    emitted: {} as ConsumerEmitted,
  },
  actions: {
    join: emit({ type: "join.due" }),
    announceJoined: emit({ type: "consumer.joined" }),
    drain: emit(({ context }) => ({ type: "drain.begun" as const, timeoutMs: context.timeoutMs })),
    hurry: emit({ type: "drain.late" }),
    announceClosed: emit(({ context }) => ({ type: "consumer.closed" as const, failure: context.failure })),
    recordJoined: assign({ joined: true }),
    recordFailure: assign((_, failure: MessagingError) => ({ failure })),
    recordTimeout: assign((_, timeoutMs: number) => ({ timeoutMs })),
  },
  delays: {
    idleDeadline: ({ context }) => context.timeoutMs + LAST_WORDS_MS,
    closeDeadline: ({ context }) => context.timeoutMs + context.graceMs + LAST_WORDS_MS,
  },
});

/**
 * ```
 *   open ──close──▶ closing ──workers ended, or too late──▶ closed
 *     └──────────failed for good─────────────────────────────▲
 * ```
 */
export const consumerMachine = consumer.createMachine({
  id: "consumer",
  initial: "open",
  context: ({ input }) => ({ ...input, joined: false, timeoutMs: 0, failure: null }),
  on: {
    "consumption.failed": { target: ".closed", actions: { type: "recordFailure", params: ({ event }) => event.error } },
  },
  states: {
    open: {
      on: {
        "consumption.started": { actions: "join" },
        "member.joined": { actions: ["recordJoined", "announceJoined"] },
        "consumer.close": {
          target: "closing",
          actions: { type: "recordTimeout", params: ({ event }) => event.timeoutMs },
        },
      },
    },
    closing: {
      entry: "drain",
      after: { idleDeadline: { actions: "hurry" }, closeDeadline: "closed" },
      on: { "workers.ended": "closed" }, // of several closes the first one's time counts
    },
    closed: { type: "final", entry: "announceClosed" },
  },
});
export type ConsumerRef = ActorRefFrom<typeof consumerMachine>;
