import type { Logger } from "../contracts/logger.ts";
import type { Metrics } from "../contracts/metrics.ts";
import type { ErrorCode } from "../message/errors.ts";

/**
 * What a broker counts, once per batch or frame. Built only where `tokens.metrics` is bound; a `count` that throws is
 * logged, the first time, and harms nothing.
 */
export class Counters {
  readonly #metrics: Metrics;
  readonly #logger: Logger;
  #hasThrown = false;

  constructor(metrics: Metrics, logger: Logger) {
    this.#metrics = metrics;
    this.#logger = logger;
  }
  add(name: `seriatim_${string}_total`, n: number, labels: Readonly<Record<string, string>>): void {
    if (n <= 0) return;
    try {
      this.#metrics.count(name, n, labels);
    } catch (error) {
      if (this.#hasThrown) return;
      this.#hasThrown = true;
      this.#logger.log("error", `metrics: count("${name}") threw; later ones that do are not logged`, {
        error: String(error),
      });
    }
  }
  linkOpened(): void {
    this.add("seriatim_links_opened_total", 1, {});
  }
  linkClosed(): void {
    this.add("seriatim_links_closed_total", 1, {});
  }
}

/** What happens to a topic's batches. */
export class TopicCounters {
  readonly #counters: Counters;
  readonly #labels: { readonly topic: string };

  constructor(counters: Counters, topic: string) {
    this.#counters = counters;
    this.#labels = { topic };
  }
  appended(messages: number): void {
    this.#counters.add("seriatim_messages_appended_total", messages, this.#labels);
  }
  duplicates(messages: number): void {
    this.#counters.add("seriatim_messages_duplicate_total", messages, this.#labels);
  }
  batchRefused(code: ErrorCode): void {
    this.#counters.add("seriatim_batches_refused_total", 1, { ...this.#labels, code });
  }
  group(group: string): GroupCounters {
    return new GroupCounters(this.#counters, { ...this.#labels, group });
  }
}

/** What a group does with a topic's messages. */
export class GroupCounters {
  readonly #counters: Counters;
  readonly #labels: { readonly topic: string; readonly group: string };

  constructor(counters: Counters, labels: { readonly topic: string; readonly group: string }) {
    this.#counters = counters;
    this.#labels = labels;
  }
  delivered(messages: number): void {
    this.#counters.add("seriatim_messages_delivered_total", messages, this.#labels);
  }
  settled(messages: number): void {
    this.#counters.add("seriatim_messages_settled_total", messages, this.#labels);
  }
  settleRefused(code: ErrorCode): void {
    this.#counters.add("seriatim_settles_refused_total", 1, { ...this.#labels, code });
  }
  parked(messages: number): void {
    this.#counters.add("seriatim_messages_parked_total", messages, this.#labels);
  }
  deadLettered(messages: number): void {
    this.#counters.add("seriatim_messages_dead_lettered_total", messages, this.#labels);
  }
  leaseGranted(): void {
    this.#counters.add("seriatim_leases_granted_total", 1, this.#labels);
  }
  /** The broker ended it. One that it asked for (a rebalance, the end of a halt) is given back, or expires. */
  leaseLost(reason: "expired" | "fenced" | "revoked"): void {
    this.#counters.add("seriatim_leases_lost_total", 1, { ...this.#labels, reason });
  }
}
