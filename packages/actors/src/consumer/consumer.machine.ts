// consumer.machine.ts: does this consumer take messages, finish what it has, or is it over?
import { type ActorRefFrom, assign, setup } from "xstate";
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

/** What a drain may take past its deadline: the grace of what was aborted, and the last words of its lease. */
const LAST_WORDS_MS = 2_000;

const consumer = setup({
  types: { input: {} as ConsumerInput, context: {} as ConsumerContext, events: {} as ConsumerEvent },
  actions: {
    // what the consumer does about it: given with `consumerMachine.provide`
    join: () => {},
    tellJoined: () => {},
    drainWorkers: (_, _timeoutMs: number) => {},
    leave: (_, _failure: MessagingError | null) => {},
    // what it remembers
    recordJoined: assign({ joined: true }),
    recordFailure: assign((_, failure: MessagingError) => ({ failure })),
    recordTimeout: assign((_, timeoutMs: number) => ({ timeoutMs })),
  },
  guards: {
    /** No handler runs: nobody needs the grace. Given with `provide`, too. */
    isIdle: () => false,
  },
  delays: {
    idleDeadline: ({ context }) => context.timeoutMs + LAST_WORDS_MS,
    closeDeadline: ({ context }) => context.timeoutMs + context.graceMs + LAST_WORDS_MS,
  },
});

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
        "member.joined": { actions: ["recordJoined", "tellJoined"] },
        "consumer.close": {
          target: "closing",
          actions: { type: "recordTimeout", params: ({ event }) => event.timeoutMs },
        },
        "workers.ended": {},
      },
    },
    closing: {
      entry: { type: "drainWorkers", params: ({ context }) => context.timeoutMs },
      after: { idleDeadline: { guard: "isIdle", target: "closed" }, closeDeadline: "closed" },
      on: {
        "workers.ended": "closed",
        "consumption.started": {},
        "member.joined": {},
        "consumer.close": {}, // the first one's time counts
      },
    },
    closed: { type: "final", entry: { type: "leave", params: ({ context }) => context.failure } },
  },
});
export type ConsumerRef = ActorRefFrom<typeof consumerMachine>;
