import type { RedrivenId, Settlement } from "../protocol/frames.ts";
import type { SetAside, Strand } from "./set-aside.ts";

/**
 * Settles remembered at most: a holder has a few on their way. What was settled by older ones counts as settled by the
 * resume.
 */
const SETTLES_MAX = 64;

interface PutBack {
  /** Under which it had been delivered. */
  readonly run: number;
  readonly offset: number;
  /** The change in which it went back. */
  readonly revision: number;
}

// Shared by all leases under which there is none, which is most, and never added to.
const NO_HALTS = new Set<number>();
const NOTHING_PUT_BACK = new Map<number, PutBack>();

/**
 * What the holder of a lease may ask for a second time (rules 3, 27), because the answer was lost with its link, where
 * the store does not tell that it was done: a person may have undone it meanwhile, and what they ordered stands. Kept
 * from one grant to the next, over resumes and raises, and no longer: under another epoch nothing is repeated
 * (`STALE_EPOCH`). One entry a strand, one a halt, and the revisions of the last settles.
 */
export class Repeats {
  #halts = NO_HALTS;
  #putBack = NOTHING_PUT_BACK;
  /** In which changes settles were applied on the holder's present link, the first of them by this number. */
  #settlesFrom = 0;
  #settleRevisions: number[] = [];

  settled(settle: number, revision: number): void {
    const revisions = this.#settleRevisions;
    if (settle !== this.#settlesFrom + revisions.length) {
      this.#settlesFrom = settle;
      revisions.length = 0;
    }
    revisions.push(revision);
    if (revisions.length <= SETTLES_MAX) return;
    revisions.shift();
    this.#settlesFrom++;
  }
  /** The change in which the holder settled last, on its present link; null when it has not. */
  get lastSettled(): number | null {
    return this.#settleRevisions.at(-1) ?? null;
  }
  /** Those whose answers the link before may have lost. Told once: under each grant settles are numbered anew. */
  takeSettles(): readonly { readonly settle: number; readonly revision: number }[] {
    const taken = this.#settleRevisions.map((revision, index) => ({ settle: this.#settlesFrom + index, revision }));
    this.#settlesFrom = 0;
    this.#settleRevisions = [];
    return taken;
  }

  halted(offset: number): void {
    if (this.#halts === NO_HALTS) this.#halts = new Set();
    this.#halts.add(offset);
  }
  /** Whether the queue came to stand at this message under this lease. */
  hasHalted(offset: number): boolean {
    return this.#halts.has(offset);
  }

  putBack(aside: SetAside, { id }: Strand, { strand: run, offset }: RedrivenId, revision: number): void {
    if (this.#putBack === NOTHING_PUT_BACK) this.#putBack = new Map();
    for (const strand of this.#putBack.keys()) if (aside.strand(strand) === undefined) this.#putBack.delete(strand);
    this.#putBack.set(id, { run, offset, revision });
  }
  /**
   * The change in which this message went back to the head of its strand when it had been delivered under this number;
   * undefined when it has failed anew.
   */
  putBackIn({ id }: Strand, { strand: run, offset }: RedrivenId): number | undefined {
    const known = this.#putBack.get(id);
    return known?.run === run && known.offset === offset ? known.revision : undefined;
  }

  /** What a resume reports, without attempts that a person has taken back since: those of a halted message. */
  withoutUndone(settlement: Settlement): Settlement {
    return { ...settlement, tried: settlement.tried.filter(([offset]) => !this.#halts.has(offset)) };
  }
}
