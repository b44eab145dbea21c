// producer.machine.ts: does this producer still take sends, and how long does it wait for the last of them?
import { type ActorRefFrom, assign, emit, setup } from "xstate";

export type ProducerEvent =
  | { readonly type: "producer.close"; readonly timeoutMs: number; readonly isDrained: boolean }
  /** Every send has its answer. */
  | { readonly type: "producer.drained" };
/** What has no answer fails, and its lanes close. */
export type ProducerEmitted = { readonly type: "producer.closed" };

const producer = setup({
  types: {
    context: {} as { closeTimeoutMs: number },
    events: {} as ProducerEvent,
    emitted: {} as ProducerEmitted,
  },
  delays: { closeTimeout: ({ context }) => context.closeTimeoutMs },
  guards: { isDrained: (_, isDrained: boolean) => isDrained },
  actions: {
    recordTimeout: assign((_, timeoutMs: number) => ({ closeTimeoutMs: timeoutMs })),
    announceClosed: emit({ type: "producer.closed" }),
  },
});

export const producerMachine = producer.createMachine({
  id: "producer",
  initial: "open",
  context: { closeTimeoutMs: 0 },
  states: {
    open: {
      on: {
        "producer.close": [
          { guard: { type: "isDrained", params: ({ event }) => event.isDrained }, target: "closed" },
          { target: "closing", actions: { type: "recordTimeout", params: ({ event }) => event.timeoutMs } },
        ],
        "producer.drained": {},
      },
    },
    closing: {
      after: { closeTimeout: "closed" },
      on: { "producer.drained": "closed", "producer.close": {} },
    },
    closed: { type: "final", entry: "announceClosed" },
  },
});
export type ProducerRef = ActorRefFrom<typeof producerMachine>;
