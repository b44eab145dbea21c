import type { HistorySink } from "../contracts/history.ts";
import type { Durability, Offset } from "../message/brands.ts";
import type { ErrorCode } from "../message/errors.ts";
import type { PendingSend } from "./pending-send.ts";

/** One producer's sends, as its client's history tells them. */
export class SendHistoryRecorder {
  readonly #history: HistorySink;
  readonly #at: { readonly topic: string; readonly producer: string };

  constructor(history: HistorySink, topic: string, producer: string) {
    this.#history = history;
    this.#at = { topic, producer };
  }
  sending({ queue, id, key }: PendingSend, durability: Durability): void {
    this.#history.record({ type: "sending", ...this.#at, queue, id, key, durability });
  }
  sent(
    { queue, id, key }: PendingSend,
    as: {
      readonly offset: Offset;
      readonly logEpoch: number;
      readonly durability: Durability;
      readonly duplicate: boolean;
    },
  ): void {
    this.#history.record({ type: "sent", ...this.#at, queue, id, key, ...as });
  }
  refused({ id, key }: PendingSend, code: ErrorCode, outcome: "notAppended" | "unknown"): void {
    this.#history.record({ type: "refused", ...this.#at, id, key, code, outcome });
  }
  tailLost(queue: number, from: number, to: number): void {
    this.#history.record({ type: "tailLost", ...this.#at, queue, from, to });
  }
}
