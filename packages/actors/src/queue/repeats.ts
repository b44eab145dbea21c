import type { RedrivenId, Settlement } from "../protocol/frames.ts";
import type { MemberPort } from "./member-port.ts";

/** Settles remembered at most: a holder has a few on their way. What was settled by older ones counts as settled by the resume. */
const SETTLES_MAX = 64;

interface PutBack {
  readonly offset: number;
  /** The change in which it went back. */
  readonly revision: number;
  /** Where that was asked last. */
  port: MemberPort;
}

// Shared by all leases under which there is none, which is most, and never added to.
const NO_HALTS = new Set<number>();
const NOTHING_PUT_BACK = new Map<number, PutBack>();

/**
 * What the holder of a lease may ask for a second time (rules 3, 27), because the answer was lost with its link, where the store does not tell that it was done: a person may have
 * undone it meanwhile, and what they ordered stands. Kept from one grant to the next, over resumes and raises, and no longer: under another epoch nothing is repeated
 * (`STALE_EPOCH`). One entry a strand, one a halt, and the revisions of the last settles.
 */
export class Repeats {
  #halts = NO_HALTS;
  #putBack = NOTHING_PUT_BACK;
  /** In which changes settles were applied on the holder's present link, the first of them by this number. */
  #settlesFrom = 0;
  #settleRevisions: number[] = [];

  /** The lease goes on, on another link: what its holder does not have in hand, it has had the answer about. */
  resumed(redrivenInHand: readonly RedrivenId[]): void {
    for (const [strand, { offset }] of this.#putBack)
      if (!redrivenInHand.some((id) => id.strand === strand && id.offset === offset)) this.#putBack.delete(strand);
  }

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

  putBack(port: MemberPort, { strand, offset }: RedrivenId, revision: number): void {
    if (this.#putBack === NOTHING_PUT_BACK) this.#putBack = new Map();
    this.#putBack.set(strand, { offset, revision, port });
  }
  /** The change in which this message went back to the head of its strand, where that was asked on an earlier link; undefined when it has failed anew. */
  putBackIn(port: MemberPort, { strand, offset }: RedrivenId): number | undefined {
    const known = this.#putBack.get(strand);
    if (known === undefined || known.offset !== offset || known.port === port) return undefined;
    known.port = port;
    return known.revision;
  }

  /** What a resume reports, without attempts that a person has taken back since: those of a halted message, and of one that went back to its strand. */
  withoutUndone(settlement: Settlement): Settlement {
    return {
      ...settlement,
      tried: settlement.tried.filter(([offset]) => !this.#halts.has(offset)),
      redrivenTried: settlement.redrivenTried.filter(
        ({ strand, offset }) => this.#putBack.get(strand)?.offset !== offset,
      ),
    };
  }
}
