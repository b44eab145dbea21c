import type { Mutant } from "../mutant.ts";

const of = (file: string, title: string) => ({ file: `packages/actors/src/broker/${file}`, title });

/** What a client may do, and for how long. */
export const RIGHTS_MUTANTS: readonly Mutant[] = [
  {
    name: "right-never-asked-again",
    breaks: "what goes on under a right goes on when it is revoked",
    promises: ["P11"],
    file: "broker/session-rights.ts",
    find: "this.#notify(watched, this.#refusalOf(watched.any));",
    replace: "",
    test: of("rights.test.ts", "is refused for as long as nobody can say, and goes on where it stood"),
  },
  {
    name: "revoked-lane-goes-on",
    breaks: "a lane whose right is revoked takes batches as ever",
    promises: ["P11"],
    file: "broker/session-lanes.ts",
    find: "lane.refusal = refusal;",
    replace: "",
    test: of(
      "rights.test.ts",
      "refuses what comes only once what it had before is answered, so that answers keep the order of the batches",
    ),
  },
  {
    name: "revoked-member-stays",
    breaks: "a member whose right is revoked keeps its leases, and settles",
    promises: ["P11"],
    file: "broker/session-members.ts",
    find: "if (refusal !== null) this.#expel(member, refusal);",
    replace: "",
    test: of("rights.test.ts", "ends when a member of it may not stay, since it cannot be told so"),
  },
  {
    name: "expelled-lease-given-away",
    breaks: "the lease of a member whose right is revoked passes on before the member can have heard of it",
    promises: ["P4"],
    file: "subscription/lease.ts",
    find: 'if (epoch === this.epoch && this.isHeld) this.send({ type: "lease.revoke", withinMs: 0, at });',
    replace: 'if (epoch === this.epoch && this.isHeld) this.send({ type: "lease.end", reason: "revoked" });',
    test: of(
      "rights.test.ts",
      "the lease of a member whose right is revoked passes on when it has run out, if its client says nothing",
    ),
  },
  {
    name: "refusal-overtakes",
    breaks: "a batch that is refused is answered before those that came before it",
    promises: ["P11"],
    file: "broker/session-lanes.ts",
    find: "if (lane.refused.length === 0 || lane.refused.length < lane.inFlight) return;",
    replace: "if (lane.refused.length === 0) return;",
    test: of(
      "rights.test.ts",
      "refuses what comes only once what it had before is answered, so that answers keep the order of the batches",
    ),
  },
  {
    name: "bodies-shown",
    breaks: "what is set aside is shown with its bodies to whoever may not read them",
    promises: ["P11"],
    file: "broker/set-aside-orders.ts",
    find: "...(bodies ? { message } : { message: withoutBody(message), withheld: true }),",
    replace: "message,",
    test: of("rights.test.ts", "of what is set aside has no body and no headers without the right to read them"),
  },
  {
    name: "expired-token-stays",
    breaks: "a link outlives its token",
    promises: ["P11"],
    file: "broker/token-expiry.ts",
    find: "if (principal.expiresAtMs !== undefined) this.#wait(principal.expiresAtMs);",
    replace: "",
    test: of(
      "rights.test.ts",
      "ends its link then, by the wall clock, with UNAUTHENTICATED; without an expiry a link lasts",
    ),
  },
  {
    name: "anybody-is-a-principal",
    breaks: "whatever an authenticator answers comes in",
    promises: ["P11"],
    file: "broker/principals.ts",
    find: "const fault = faultOf(found);",
    replace: "const fault = null as ReturnType<typeof faultOf>;",
    test: of("principals.test.ts", "is nobody, and logged, when it is false or undefined"),
  },
];
