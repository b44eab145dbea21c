import type { Mutant } from "../mutant.ts";

const of = (file: string, title: string) => ({ file: `packages/actors/src/broker/${file}`, title });

/** Whose word counts, and how a group's queues are shared. */
export const BROKER_MUTANTS: readonly Mutant[] = [
  {
    name: "older-session-kept",
    breaks: "an older link of a client is listened to beside the newer one",
    promises: ["P1", "P2"],
    file: "broker/instances.ts",
    find: `older?.close(new MessagingError("CLOSED", "a newer link of the same client has taken this one's place"), "normal");`,
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
    file: "broker/broker.ts",
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
];
