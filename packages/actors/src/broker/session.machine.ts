// session.machine.ts: is this link's client known, and may its frames be processed?
import { emit, setup } from "xstate";

export type SessionInput = Readonly<{ handshakeMs: number }>;
export type SessionEvent =
  | { readonly type: "hello.accepted" }
  /** Something said the link must end: a broken rule, a newer link of the same client, the broker's close. */
  | { readonly type: "session.end" }
  | { readonly type: "link.ended" };
export type SessionEmitted = { readonly type: "handshake.late" };

export const sessionMachine = setup({
  types: {
    input: {} as SessionInput,
    context: {} as SessionInput,
    events: {} as SessionEvent,
    emitted: {} as SessionEmitted,
  },
  delays: { handshakeDelay: ({ context }) => context.handshakeMs },
  actions: { tellLate: emit({ type: "handshake.late" }) },
}).createMachine({
  id: "session",
  initial: "handshaking",
  context: ({ input }) => input,
  on: { "link.ended": ".ended" },
  states: {
    handshaking: {
      on: { "hello.accepted": "open", "session.end": "closing" },
      after: { handshakeDelay: { target: "closing", actions: "tellLate" } },
    },
    open: { on: { "session.end": "closing" } },
    closing: {},
    ended: { type: "final" },
  },
});
