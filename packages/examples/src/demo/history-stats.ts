import type { LeaseLine, ReceiptLine } from "@seriatim/rig";
import { build } from "hdr-histogram-js";

/** A line of a history, as far as it is read here; docs/history.md has the format. */
interface Line {
  readonly process: string;
  readonly at: number;
  readonly type: string;
  readonly id?: string;
  readonly queue?: number;
  readonly epoch?: number;
  readonly offset?: number;
  readonly logEpoch?: number;
  readonly attempt?: number;
  readonly code?: string;
  readonly reason?: string;
}
export interface HistoryStats {
  readonly sent: number;
  readonly refusedSends: number;
  readonly handled: number;
  readonly retried: number;
  readonly handledAgain: number;
  /** Settles that came too late: refused by the broker, or not even sent because the holder knew its lease was over. */
  readonly stale: { readonly broker: number; readonly holder: number };
  /** Signals of handlers that fired. */
  readonly aborted: number;
  readonly firstSendingAt: number;
  /** The last time anything happened to a message. */
  readonly lastStepAt: number;
  readonly latencyMs: { readonly p50: number; readonly p99: number; readonly max: number };
  readonly leases: readonly LeaseLine[];
  /** When receipts came, ms since 1970, one entry a receipt. */
  readonly receipts: readonly ReceiptLine[];
  readonly ended: ReadonlySet<string>;
}

/** Figures for people, from what the processes wrote down; the verdict is the checker's. */
export async function historyStats(lines: AsyncIterable<string> | Iterable<string>): Promise<HistoryStats> {
  const count = new Counting();
  for await (const text of lines) {
    const line = parsed(text);
    if (line !== null) count.take(line);
  }
  return count.result();
}

class Counting {
  readonly #sendingAt = new Map<string, number>();
  readonly #sent = new Set<string>();
  readonly #handledAt = new Map<string, number>();
  readonly #handlings = new Map<string, { aborted: boolean; handled: boolean; settled: boolean }>();
  readonly #leases: LeaseLine[] = [];
  readonly #receipts: ReceiptLine[] = [];
  readonly #ended = new Set<string>();
  #handled = 0;
  #retried = 0;
  #refusedSends = 0;
  #refusedByBroker = 0;
  #aborted = 0;
  #firstSendingAt = Number.POSITIVE_INFINITY;
  #lastStepAt = 0;

  take(line: Line): void {
    const { type, id, at } = line;
    if (id !== undefined) this.#lastStepAt = Math.max(this.#lastStepAt, at);
    switch (type) {
      case "sending":
        this.#firstSendingAt = Math.min(this.#firstSendingAt, at);
        if (id !== undefined && !this.#sendingAt.has(id)) this.#sendingAt.set(id, at);
        break;
      case "sent":
        if (id !== undefined) this.#sent.add(id);
        this.#receipts.push({ at, logEpoch: line.logEpoch ?? 0 });
        break;
      case "refused":
        this.#refusedSends++;
        break;
      case "handling":
        if ((line.attempt ?? 1) > 1) this.#retried++;
        break;
      case "handled":
        this.#handled++;
        if (id !== undefined) this.#handledAt.set(id, Math.min(at, this.#handledAt.get(id) ?? at));
        this.#handling(line).handled = true;
        break;
      case "settled":
        this.#handling(line).settled = true;
        break;
      case "aborted":
        this.#aborted++;
        this.#handling(line).aborted = true;
        break;
      case "settleRefused":
        this.#refusedByBroker++;
        break;
      case "granted":
      case "released":
      case "lost":
        this.#leases.push({ type, process: line.process, queue: line.queue ?? -1, at });
        break;
      case "end":
        this.#ended.add(line.process);
        break;
    }
  }
  result(): HistoryStats {
    const histogram = build({
      lowestDiscernibleValue: 1,
      highestTrackableValue: 3_600_000_000,
      numberOfSignificantValueDigits: 3,
    });
    for (const [id, at] of this.#handledAt) {
      const from = this.#sendingAt.get(id);
      if (from !== undefined) histogram.recordValue(Math.max(1, Math.round((at - from) * 1_000))); // in µs
    }
    const ms = (us: number): number => Math.round(us / 10) / 100;
    return {
      sent: this.#sent.size,
      refusedSends: this.#refusedSends,
      handled: this.#handled,
      retried: this.#retried,
      handledAgain: this.#handled - this.#handledAt.size,
      stale: {
        broker: this.#refusedByBroker,
        holder: [...this.#handlings.values()].filter(({ aborted, settled }) => aborted && !settled).length,
      },
      aborted: this.#aborted,
      firstSendingAt: this.#firstSendingAt,
      lastStepAt: this.#lastStepAt,
      latencyMs: {
        p50: ms(histogram.getValueAtPercentile(50)),
        p99: ms(histogram.getValueAtPercentile(99)),
        max: ms(histogram.maxValue),
      },
      leases: this.#leases.toSorted((a, b) => a.at - b.at),
      receipts: this.#receipts.toSorted((a, b) => a.at - b.at),
      ended: this.#ended,
    };
  }
  #handling({ process, queue, epoch, offset }: Line): { aborted: boolean; handled: boolean; settled: boolean } {
    const name = `${process}/${queue}/${epoch}/${offset}`;
    const known = this.#handlings.get(name) ?? { aborted: false, handled: false, settled: false };
    this.#handlings.set(name, known);
    return known;
  }
}

/** A torn last line of a killed process is no line. */
function parsed(text: string): Line | null {
  try {
    return JSON.parse(text) as Line;
  } catch {
    return null;
  }
}
