import type { Principal } from "./transport.ts";

/**
 * What a principal may be allowed, with every name it asked for. A name that is `null`
 * was not part of what was asked: whether there is any under which it may (`produce`,
 * `consume`), or about the whole rather than one of its parts (`observe`, `manage`).
 */
export type Right = Readonly<
  /**
   * Sends, under the name of a producer. `producer` is `null` when a client of protocol version 1 looks the topic up.
   */
  | { verb: "produce"; topic: string; producer: string | null }
  /**
   * Joins a group and takes its messages, under the name of a consumer; waits until the group has caught up. `consumer`
   * is `null` when that is asked, `group` is for a client of protocol version 1, too.
   */
  | { verb: "consume"; topic: string; group: string | null; consumer: string | null }
  /**
   * Sees names, counts, leases, keys and the texts of failures, but no bodies: of one group, of a topic (`group:
   * null`), or that there is a broker (both `null`).
   */
  | { verb: "observe"; topic: string | null; group: string | null }
  /** Sees the bodies and headers of what a group has set aside. */
  | { verb: "read"; topic: string; group: string }
  /** Declares a topic, gives orders about what its groups have set aside. */
  | { verb: "manage"; topic: string | null }
>;
/**
 * Says who a token belongs to; `null` refuses the link before it opens (`UNAUTHENTICATED`), a rejection and what is
 * no principal do, too (`UNAVAILABLE`; `false` and `undefined` count as `null`), and are logged.
 */
export interface Authenticator {
  authenticate(token: string | null, signal: AbortSignal): Promise<Principal | null>;
}
/**
 * Says what a principal may do. Asked at each lane, join, question and order, and at least every 5 s for as long as a
 * lane, a membership or a question that waits lasts: what is revoked ends. Only `true`, returned at once, allows.
 * What throws, or returns anything but true or false (a promise, too), refuses (`UNAVAILABLE`), and is logged. Called
 * synchronously, often: it should look up, not compute. Answer the same for principals of one `id`: what links of one
 * id ask at the same time in the same words is worked out once.
 */
export interface Authorizer {
  authorize(principal: Principal, right: Right): boolean;
}
