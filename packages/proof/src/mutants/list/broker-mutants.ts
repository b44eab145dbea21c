import type { Mutant } from "../mutant.ts";

const of = (file: string, title: string) => ({ file: `packages/actors/src/broker/${file}`, title });

/** Whose word counts, and how a group's queues are shared. */
export const BROKER_MUTANTS: readonly Mutant[] = [
  {
    name: "older-session-kept",
    breaks: "an older link of a client is listened to beside the newer one",
    promises: ["P1", "P2"],
    file: "broker/instances.ts",
    find: `older?.(new MessagingError("CLOSED", "a newer link of the same client has taken this one's place"), "normal");`,
    replace: "",
    test: of(
      "session.test.ts",
      "of the same instance ends the older one; an older one is refused, also after the newer has gone",
    ),
  },
  {
    name: "logger-unguarded",
    breaks: "a logger that throws keeps a subscription from being read anew after a change that failed",
    promises: ["P8"],
    file: "broker/broker-scope.ts",
    find: "const logger = guardedLogger(parts.logger);",
    replace: "const { logger } = parts;",
    test: of(
      "session-faults.test.ts",
      "a logger that throws keeps no subscription from going on from the store after a change that failed",
    ),
  },
  {
    name: "drain-asked-for-ever",
    breaks:
      "a link with one large message in hand is asked without a pause whether it has drained, and nothing else happens",
    promises: ["P8"],
    file: "broker/drain.ts",
    find: "this.#waiting()?.flush();",
    replace: "",
    test: of(
      "drain.test.ts",
      "hands the link what waits for the end of the turn, so that it drains once that is through, and not at once, again and again",
    ),
  },
  {
    name: "frame-lost-at-slice-end",
    breaks: "the frame at which a link has had its slice is taken for handled",
    promises: ["P8"],
    file: "broker/intake.ts",
    find: "this.#holdBack(why, 0, reader);",
    replace: "this.#holdBack(why, 0, reader); reader.next();",
  },
  {
    name: "not-paused-at-slice-end",
    breaks:
      "a link goes on sending while a packet of it waits for its turn, which the next one then takes the place of",
    promises: ["P8"],
    file: "broker/intake.ts",
    find: "link.pause();",
    replace: "",
    test: of("session-turns.test.ts", "keeps what comes meanwhile behind it: the link is paused, and its order holds"),
  },
  {
    name: "never-listened-to-again",
    breaks: "a link that was held back stays paused",
    promises: ["P8"],
    file: "broker/intake.ts",
    find: "if (this.#held !== null || this.#isStopped) return; link.resume();",
    replace: "if (this.#held !== null || this.#isStopped) return;",
    test: of("session-turns.test.ts", "keeps what comes meanwhile behind it: the link is paused, and its order holds"),
  },
  {
    name: "plan-by-arrival",
    breaks: "who gets which queue depends on the order in which members came",
    promises: ["P8"],
    file: "broker/allocation.ts",
    find: "const members = [...names].sort();",
    replace: "const members = [...names];",
    test: of(
      "allocation.test.ts",
      "gives every queue to somebody, ranks everybody once, and depends on nothing but its input",
    ),
  },
  {
    name: "settings-not-compared",
    breaks: "a member with other settings than its group's is taken",
    promises: ["P6"],
    file: "broker/topic-home.ts",
    find: "if (differs !== null) throw new MessagingError(",
    replace: "if (differs !== null && known === undefined) throw new MessagingError(",
    test: of("group.test.ts", "has the settings of its first member; another with others is refused"),
  },
  {
    name: "turn-not-given-back",
    breaks: "a heavy question keeps its turn when it has been answered, so that after two of them none is",
    promises: ["P8"],
    file: "broker/question-turns.ts",
    find: "this.#working--;",
    replace: "",
    test: of("question-turns.test.ts", "are worked on two at a time; each has its turn once one before it has ended"),
  },
  {
    name: "turns-by-arrival",
    breaks: "whoever asks a thousand heavy questions has all of their turns before anybody else",
    promises: ["P8", "P11"],
    file: "broker/question-turns.ts",
    find: "this.#shares.delete(share.principal); this.#shares.set(share.principal, share);",
    replace: "",
    test: of(
      "question-turns.test.ts",
      "of each principal, and of each of its links, take turns, however many one of them asks",
    ),
  },
  {
    name: "repeat-settled-before-stored",
    breaks: "a settle of what is settled already is answered before the store knows of it",
    promises: ["P3", "P9"],
    file: "subscription/settle.ts",
    find: "{ commit: ledger.unchanged(), revision: before }",
    replace: "{ commit: { flushed: Promise.resolve(), synced: Promise.resolve() }, revision: before }",
    test: of("session-costs.test.ts", "of what is settled but not stored yet is answered when it is"),
  },
];
