import type { Mutant } from "../mutant.ts";

const of = (file: string, title: string) => ({ file: `packages/actors/src/${file}`, title });
const NOT_TO_TAKE =
  "is not another principal's to take: at no queue of its topic, with no ordinal and no epoch, and nobody is fenced";
const MEMBER_STAYS =
  "stays its principal's over a restart; is free when it has left, or eight days after it was last seen";

/** Whose names, instances and leases are. */
export const IDENTITY_MUTANTS: readonly Mutant[] = [
  {
    name: "instance-without-principal",
    breaks: "whoever shows another's instance is taken for it",
    promises: ["P11"],
    file: "log/owner.ts",
    find: "of === null ? `",
    replace: "of !== undefined ? `",
    test: of(
      "broker/identity.test.ts",
      "that another principal shows is one of its own: no link is ended, no lease renewed, resumed, released or ended, nobody locked out",
    ),
  },
  {
    name: "links-forgotten-for-others",
    breaks: "link numbers of one principal are forgotten when another brings many",
    promises: ["P1", "P2"],
    file: "broker/principal-cache.ts",
    find: "if (own.size > this.#options.eachMax) this.#drop(of, own);",
    replace: "if (this.#size > this.#options.eachMax) this.#dropAny();",
    test: of(
      "broker/principal-cache.test.ts",
      "drops the oldest of the one that has too many, and nothing of anybody else's",
    ),
  },
  {
    name: "name-not-checked",
    breaks: "whoever opens a lane under a producer's name takes it over, and fences whose it is",
    promises: ["P11"],
    file: "log/queue-log.ts",
    find: "this.#producers.requireOwn(producer, by.principal);",
    replace: "",
  },
  {
    name: "name-of-one-queue",
    breaks: "a producer's name is its principal's only at the queues that it has sent to",
    promises: ["P11"],
    file: "log/producer-names.ts",
    find: "if (mayHave(by, of) && mayHave(by, this.#owned.get(name)?.owner ?? null)) return;",
    replace: "if (mayHave(by, of)) return;",
    test: of("broker/identity.test.ts", NOT_TO_TAKE),
  },
  {
    name: "name-not-stored",
    breaks: "whose a producer's name is is forgotten with a restart",
    promises: ["P11"],
    file: "log/producer-table.ts",
    find: "return principal === null",
    replace: "return principal !== undefined",
    test: of(
      "broker/identity.test.ts",
      "stays its principal's over restarts, and until a week after it was last linked",
    ),
  },
  {
    name: "producers-of-one-principal",
    breaks: "one principal takes all places of producers that a queue has",
    promises: ["P11"],
    file: "log/producer-table.ts",
    find: "if (own >= PRODUCERS_EACH_MAX)",
    replace: "if (own < 0)",
    test: of("broker/identity.test.ts", "is left for others to have, however many one principal brings"),
  },
  {
    name: "lease-of-any-principal",
    breaks: "whoever shows a holder's instance and name takes its lease",
    promises: ["P7", "P11"],
    file: "subscription/holder.ts",
    find: "a.instance === b.instance && a.member === b.member && mayHave(a.principal ?? null, b.principal ?? null);",
    replace: "a.instance === b.instance && a.member === b.member;",
    test: of(
      "subscription/subscription-lease.test.ts",
      "is its principal's: another one that shows its instance and its name neither resumes nor takes it, over a restart too",
    ),
  },
  {
    name: "member-name-not-checked",
    breaks: "a member's name is anybody's while its consumer is away",
    promises: ["P11"],
    file: "broker/group.ts",
    find: "this.#names.check(name, by, null);",
    replace: "",
    test: of("broker/identity.test.ts", MEMBER_STAYS),
  },
  {
    name: "member-name-in-memory",
    breaks: "whose a member's name is is forgotten with a restart",
    promises: ["P11"],
    file: "broker/member-names.ts",
    find: "this.#keep(name, { owner, seenMs, stored: STORED });",
    replace: "void [name, owner, seenMs];",
    test: of("broker/identity.test.ts", MEMBER_STAYS),
  },
];
