// session.machine.ts: is this link's client known, and may its frames be processed?
import { emit, type SnapshotFrom, setup } from "xstate";
import type { LinkCode } from "../contracts/transport.ts";
import { MessagingError } from "../message/errors.ts";

/** A client says hello within this time. */
const HANDSHAKE_MS = 5_000;

/** What a link ends with. */
export interface Goodbye {
  /** What its client is told; `null`: nothing. */
  readonly error: MessagingError | null;
  readonly code: LinkCode;
}
export type SessionEvent =
  | { readonly type: "hello.accepted" }
  /** The link must end: a broken rule, a fault of ours, a newer link of the same client, the broker's close. */
  | ({ readonly type: "session.close" } & Goodbye)
  /** Nothing has come for so long that there is nobody to say goodbye to. */
  | { readonly type: "session.abandon" }
  | { readonly type: "link.ended" };
export type SessionEmitted =
  | { readonly type: "session.opened" }
  | ({ readonly type: "session.closing" } & Goodbye)
  | { readonly type: "session.abandoned" };

const late = (): Goodbye => ({
  error: new MessagingError("PROTOCOL_VIOLATION", `no hello came within ${HANDSHAKE_MS} ms`),
  code: "violation",
});

export const sessionMachine = setup({
  types: { events: {} as SessionEvent, emitted: {} as SessionEmitted },
  delays: { handshakeDelay: HANDSHAKE_MS },
  actions: {
    announceOpened: emit({ type: "session.opened" }),
    announceClosing: emit((_, { error, code }: Goodbye) => ({ type: "session.closing" as const, error, code })),
    announceAbandoned: emit({ type: "session.abandoned" }),
  },
}).createMachine({
  id: "session",
  initial: "handshaking",
  on: {
    "session.close": { target: ".closing", actions: { type: "announceClosing", params: ({ event }) => event } },
    "session.abandon": { target: ".closing", actions: "announceAbandoned" },
    "link.ended": ".ended",
  },
  states: {
    handshaking: {
      on: { "hello.accepted": "open" },
      after: { handshakeDelay: { target: "closing", actions: { type: "announceClosing", params: late } } },
    },
    open: { entry: "announceOpened" },
    closing: { on: { "session.close": {}, "session.abandon": {} } }, // the first word counts
    ended: { type: "final" },
  },
});
export type SessionState = SnapshotFrom<typeof sessionMachine>["value"];
