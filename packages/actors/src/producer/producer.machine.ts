// producer.machine.ts: does this producer still take sends, and how long does it wait for the last of them?
import { type ActorRefFrom, assign, setup } from "xstate";

export type ProducerEvent = { type: "producer.close"; timeoutMs: number } | { type: "producer.drained" }; // every send has its answer

const notProvided = (): never => {
  throw new Error("the producer provides this");
};

const producer = setup({
  types: { context: {} as { closeTimeoutMs: number }, events: {} as ProducerEvent },
  delays: { closeTimeout: ({ context }) => context.closeTimeoutMs },
  guards: { isDrained: notProvided as () => boolean },
  actions: {
    recordTimeout: assign((_, timeoutMs: number) => ({ closeTimeoutMs: timeoutMs })),
    /** Fails what has no answer, closes the lanes. */
    end: notProvided as () => void,
  },
});

export const producerMachine = producer.createMachine({
  id: "producer",
  initial: "open",
  context: { closeTimeoutMs: 0 },
  states: {
    open: {
      on: {
        "producer.close": {
          target: "closing",
          actions: { type: "recordTimeout", params: ({ event }) => event.timeoutMs },
        },
        "producer.drained": {},
      },
    },
    closing: {
      always: { guard: "isDrained", target: "closed" },
      after: { closeTimeout: "closed" },
      on: { "producer.drained": "closed", "producer.close": {} },
    },
    closed: { type: "final", entry: "end" },
  },
});
export type ProducerRef = ActorRefFrom<typeof producerMachine>;
