import type { Durability, Epoch, Offset } from "../message/brands.ts";
import type { ErrorCode } from "../message/errors.ts";

/**
 * Hears each step of a client's messages, synchronously and before the next one: `sending` before the frame leaves,
 * `handling` before the handler runs, `handled` before the settle is sent. What demos, simulations and chaos runs
 * write their histories from. What it throws is logged, the first time, and dropped.
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
