import type { HistoryEvent } from "./history-event.ts";

/** The promises of the framework, by number: docs/architecture.md says them in words. */
export type PromiseId = "P1" | "P2" | "P3" | "P4" | "P5" | "P6" | "P7" | "P8" | "P9" | "P10" | "P11";
export const PROMISES: readonly PromiseId[] = ["P1", "P2", "P3", "P4", "P5", "P6", "P7", "P8", "P9", "P10", "P11"];

export interface Violation {
  readonly promise: PromiseId;
  /** One sentence: which message, queue or process, what was expected and what is there. */
  readonly text: string;
  /** The lines that prove it. */
  readonly events: readonly HistoryEvent[];
}
export interface Verdict {
  /** No violation was found. Says little where `checks` is 0. */
  readonly clean: boolean;
  /** Single facts held against each promise. 0: the history says nothing about it. */
  readonly checks: Readonly<Record<PromiseId, number>>;
  /** All violations, also those that `violations` has no room for. */
  readonly violationCounts: Readonly<Record<PromiseId, number>>;
  /** The first 100 of each promise. */
  readonly violations: readonly Violation[];
}

const STORED_MAX = 100;

/** Where the rules write down what they checked and what they found. */
export class Report {
  readonly #checks = noneOfEach();
  readonly #counts = noneOfEach();
  readonly #violations: Violation[] = [];

  check(promise: PromiseId, facts = 1): void {
    this.#checks[promise] += facts;
  }

  violate(promise: PromiseId, text: string, events: readonly (HistoryEvent | undefined)[]): void {
    this.#counts[promise]++;
    if (this.#counts[promise] > STORED_MAX) return;
    this.#violations.push({ promise, text, events: events.filter((event) => event !== undefined) });
  }

  verdict(): Verdict {
    const order = new Map(PROMISES.map((promise, place) => [promise, place]));
    const violations = this.#violations.toSorted((a, b) => order.get(a.promise)! - order.get(b.promise)!);
    return { clean: violations.length === 0, checks: this.#checks, violationCounts: this.#counts, violations };
  }
}

function noneOfEach(): Record<PromiseId, number> {
  return { P1: 0, P2: 0, P3: 0, P4: 0, P5: 0, P6: 0, P7: 0, P8: 0, P9: 0, P10: 0, P11: 0 };
}
