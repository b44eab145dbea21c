import type { Durability, Epoch, Offset } from "../message/brands.ts";
import type { ErrorCode } from "../message/errors.ts";
import type { Principal } from "../transport/transport.ts";

/**
 * What a principal may be allowed, with every name it asked for. A name that is `null` was not part of what was asked: whether there is any under which it may (`produce`, `consume`), or
 * about the whole rather than one of its parts (`observe`, `manage`).
 */
export type Right = Readonly<
  /** Sends, under the name of a producer. `producer` is `null` when a client of protocol version 1 looks the topic up. */
  | { verb: "produce"; topic: string; producer: string | null }
  /** Joins a group and takes its messages, under the name of a consumer; waits until the group has caught up. `consumer` is `null` when that is asked, `group` is for a client of protocol version 1, too. */
  | { verb: "consume"; topic: string; group: string | null; consumer: string | null }
  /** Sees names, counts, leases, keys and the texts of failures, but no bodies: of one group, of a topic (`group: null`), or that there is a broker (both `null`). */
  | { verb: "observe"; topic: string | null; group: string | null }
  /** Sees the bodies and headers of what a group has set aside. */
  | { verb: "read"; topic: string; group: string }
  /** Declares a topic, gives orders about what its groups have set aside. */
  | { verb: "manage"; topic: string | null }
>;
/**
 * Says who a token belongs to; `null` refuses the link before it opens (`UNAUTHENTICATED`), a rejection and what is no principal do, too (`UNAVAILABLE`; `false` and `undefined` count as `null`), and are logged.
 */
export interface Authenticator {
  authenticate(token: string | null, signal: AbortSignal): Promise<Principal | null>;
}
/**
 * Says what a principal may do. Asked at each lane, join, question and order, and at least every 5 s for as long as a lane, a membership or a question that waits lasts: what is revoked ends.
 * Only `true`, returned at once, allows. What throws, or returns anything but true or false (a promise, too), refuses (`UNAVAILABLE`), and is logged. Called synchronously, often: it should look up, not compute.
 * Answer the same for principals of one `id`: what links of one id ask at the same time in the same words is worked out once.
 */
export interface Authorizer {
  authorize(principal: Principal, right: Right): boolean;
}
/** Counters for a metrics library: what a broker counts, at most once per batch or frame. */
export interface Metrics {
  /** `n` more, at least 1. Called synchronously; what it throws is logged and dropped. */
  count(name: string, n: number, labels: Readonly<Record<string, string>>): void;
}
export interface Logger {
  /**
   * Called synchronously; what it throws is dropped. `text` has control characters of what it quotes as escapes; `data` has everything as it is, and what clients are told nothing of: with `reference`, what
   * a refusal of that reference was about.
   */
  log(level: "debug" | "info" | "warn" | "error", text: string, data: object): void;
}

/**
 * Hears each step of a client's messages, synchronously and before the next one: `sending` before the frame leaves, `handling` before the handler runs,
 * `handled` before the settle is sent. What demos, simulations and chaos runs write their histories from. What it throws is logged, the first time, and dropped.
 */
export interface HistorySink {
  record(step: HistoryStep): void;
}
type MessageStep = {
  readonly topic: string;
  readonly queue: number;
  readonly offset: Offset;
  readonly logEpoch: number;
  readonly id: string | null;
  readonly key: string | null;
};
type LeaseStep = {
  readonly topic: string;
  readonly queue: number;
  readonly group: string;
  readonly consumer: string;
  readonly epoch: Epoch;
};
export type HistoryStep =
  | {
      readonly type: "sending";
      readonly topic: string;
      readonly queue: number;
      readonly id: string | null;
      readonly key: string | null;
      readonly producer: string;
      readonly durability: Durability;
    }
  | {
      readonly type: "sent";
      readonly topic: string;
      readonly queue: number;
      readonly offset: Offset;
      readonly logEpoch: number;
      readonly id: string | null;
      readonly key: string | null;
      readonly producer: string;
      readonly durability: Durability;
      readonly duplicate: boolean;
    }
  | {
      readonly type: "refused";
      readonly topic: string;
      readonly id: string | null;
      readonly key: string | null;
      readonly producer: string;
      readonly code: ErrorCode;
      readonly outcome: "notAppended" | "unknown";
    }
  | {
      readonly type: "tailLost";
      readonly topic: string;
      readonly queue: number;
      readonly producer: string;
      readonly from: number;
      readonly to: number;
    }
  | ({ readonly type: "granted"; readonly revision: number; readonly logEpoch: number } & LeaseStep)
  | ({ readonly type: "released"; readonly revision: number } & LeaseStep)
  | ({ readonly type: "lost"; readonly reason: "expired" | "fenced" | "revoked" } & LeaseStep)
  | ({ readonly type: "handling" | "handled"; readonly attempt: number } & MessageStep & LeaseStep)
  | ({ readonly type: "failed"; readonly attempt: number; readonly error: string } & MessageStep & LeaseStep)
  | ({ readonly type: "aborted" | "abandoned"; readonly attempt: number; readonly reason: string } & MessageStep &
      LeaseStep)
  | ({ readonly type: "settled"; readonly revision: number } & MessageStep & LeaseStep)
  | ({ readonly type: "settleRefused"; readonly code: ErrorCode } & MessageStep & LeaseStep)
  | ({ readonly type: "parked" | "deadLettered"; readonly revision: number } & MessageStep & LeaseStep)
  | {
      readonly type: "redriven" | "discarded";
      readonly revision: number;
      readonly topic: string;
      readonly queue: number;
      readonly group: string;
      readonly offset: Offset;
      readonly key: string | null;
      readonly id: string | null;
    };
