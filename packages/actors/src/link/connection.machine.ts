// connection.machine.ts: is there a link to the broker right now, and when is the next one tried?
import { type ActorRefFrom, assign, emit, fromPromise, setup } from "xstate";
import type { MessagingError } from "../message/errors.ts";

export type ConnectionInput = Readonly<{ connectTimeoutMs: number }>;
type ConnectionContext = ConnectionInput & { retryMs: number; wasOpen: boolean };
export type ConnectionEvent = { type: "connection.close" };
/** Why there is no link, and how long to wait before the next one. What the actors reject with. */
export interface ConnectionFailure {
  readonly error: MessagingError;
  readonly retryMs: number;
}

export type ConnectionEmitted =
  /** The link may be used. */
  | { readonly type: "link.opened" }
  /** It has ended, or there was none. */
  | { readonly type: "link.failed"; readonly failure: ConnectionFailure }
  /** There will be none. `null`: none came in time. */
  | { readonly type: "connection.failed"; readonly failure: ConnectionFailure | null }
  /** The link ends, if there is one. */
  | { readonly type: "close.due" };

const notProvided = (): never => {
  throw new Error("the connection provides this");
};

const connection = setup({
  types: {
    input: {} as ConnectionInput,
    context: {} as ConnectionContext,
    events: {} as ConnectionEvent,
    emitted: {} as ConnectionEmitted,
  },
  actors: {
    /** Asks for the token and opens a link. */
    dial: fromPromise<void>(notProvided),
    /** Says hello and waits for the welcome. */
    handshake: fromPromise<void>(notProvided),
    /** Rejects when the link has ended. */
    serve: fromPromise<never>(notProvided),
  },
  delays: {
    connectTimeout: ({ context }) => context.connectTimeoutMs,
    backoff: ({ context }) => context.retryMs,
    dialTimeout: 15_000,
    handshakeTimeout: 10_000,
  },
  guards: {
    wasNeverOpen: ({ context }) => !context.wasOpen,
    /** The first connection, and trying again cannot help. */
    isHopeless: ({ context }, failure: ConnectionFailure) => !context.wasOpen && !failure.error.retryable,
  },
  actions: {
    recordOpen: assign({ wasOpen: true }),
    recordFailure: assign((_, failure: ConnectionFailure) => ({ retryMs: failure.retryMs })),
    recordTimeout: assign({ retryMs: 0 }),
    publish: emit({ type: "link.opened" }),
    announceFailed: emit((_, failure: ConnectionFailure) => ({ type: "link.failed" as const, failure })),
    giveUp: emit((_, failure: ConnectionFailure | null) => ({ type: "connection.failed" as const, failure })),
    hangUp: emit({ type: "close.due" }),
  },
});

const failure = ({ event }: { event: { error: unknown } }): ConnectionFailure => event.error as ConnectionFailure;
const whenFailed = [
  { guard: { type: "isHopeless", params: failure }, target: "closed", actions: { type: "giveUp", params: failure } },
  {
    target: "backingOff",
    actions: [
      { type: "recordFailure", params: failure },
      { type: "announceFailed", params: failure },
    ],
  },
] as const;

export const connectionMachine = connection.createMachine({
  id: "connection",
  initial: "connecting",
  context: ({ input }) => ({ ...input, retryMs: 0, wasOpen: false }),
  on: { "connection.close": ".closed" },
  after: { connectTimeout: { guard: "wasNeverOpen", target: ".closed", actions: { type: "giveUp", params: null } } },
  states: {
    connecting: {
      invoke: { src: "dial", onDone: "handshaking", onError: whenFailed },
      after: { dialTimeout: { target: "backingOff", actions: "recordTimeout" } }, // leaving aborts the dial
    },
    handshaking: {
      invoke: { src: "handshake", onDone: "open", onError: whenFailed },
      after: { handshakeTimeout: { target: "backingOff", actions: ["recordTimeout", "hangUp"] } },
    },
    open: {
      entry: ["recordOpen", "publish"],
      invoke: { src: "serve", onError: whenFailed },
    },
    backingOff: { after: { backoff: "connecting" } },
    closed: { type: "final", entry: "hangUp" },
  },
});
export type ConnectionRef = ActorRefFrom<typeof connectionMachine>;
