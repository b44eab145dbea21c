/** What became of a lease. */
export interface LeaseLine {
  readonly type: "granted" | "released" | "lost";
  readonly process: string;
  readonly queue: number;
  readonly at: number;
}
/** A receipt: when it came, and of which incarnation of the log it is. */
export interface ReceiptLine {
  readonly at: number;
  readonly logEpoch: number;
}

/**
 * How long after `at` the queues that `process` held were granted to someone again, in ms; `null` when one never was.
 * `leases` stand in the order of time.
 */
export function servedAgainMs(
  leases: readonly LeaseLine[],
  of: { readonly process: string; readonly at: number },
): number | null {
  const holder = new Map<number, string>();
  const waiting = new Set<number>();
  let collected = false;
  let last: number | null = null;
  for (const { type, process, queue, at } of leases) {
    if (at <= of.at) {
      if (type === "granted") holder.set(queue, process);
      else if (holder.get(queue) === process) holder.delete(queue);
      continue;
    }
    if (!collected) {
      for (const [held, by] of holder) if (by === of.process) waiting.add(held);
      collected = true;
    }
    if (type === "granted" && waiting.delete(queue)) last = at - of.at;
  }
  return waiting.size > 0 || last === null ? null : Math.round(last);
}
/**
 * How long after the broker died at `at` its successor's first receipt came, in ms; `null` when none did.
 * Receipts of the dead one may still be read from the socket: only one under a newer incarnation of the log counts.
 */
export const receiptAgainMs = (receipts: readonly ReceiptLine[], at: number): number | null => {
  const before = receipts.findLast((receipt) => receipt.at <= at)?.logEpoch ?? 0;
  const next = receipts.find((receipt) => receipt.at > at && receipt.logEpoch > before);
  return next === undefined ? null : Math.round(next.at - at);
};
