import type { Mutant } from "../mutant.ts";

const of = (file: string, title: string) => ({ file: `packages/actors/src/broker/${file}`, title });

/** Whose word counts, and how a group's queues are shared. */
export const BROKER_MUTANTS: readonly Mutant[] = [
  {
    name: "older-session-kept",
    breaks: "an older link of a client is listened to beside the newer one",
    promises: ["P1", "P2"],
    file: "broker/broker.ts",
    find: `older?.close(new MessagingError("CLOSED", "a newer link of the same client has taken this one's place"), "normal");`,
    replace: "",
    test: of(
      "session.test.ts",
      "of the same instance ends the older one; an older one is refused, also after the newer has gone",
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
