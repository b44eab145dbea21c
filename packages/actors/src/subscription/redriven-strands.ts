import type { RedrivenId } from "../protocol/frames.ts";
import type { Ledger } from "./ledger.ts";
import type { AsideCopy, Strand } from "./set-aside.ts";

/** Strands that run again under one lease: how far each has gone to its holder, and what comes next. */
export class RedrivenStrands {
  readonly #ledger: Ledger;
  /** Per strand, the last offset sent. */
  readonly #sent = new Map<number, number>();
  /** Strands whose next messages are still on their way to the store. */
  readonly #unflushed = new Set<number>();
  #flushes = 0;

  /** @param kept what the holder has from before */
  constructor(ledger: Ledger, kept: readonly RedrivenId[]) {
    this.#ledger = ledger;
    for (const { strand: run, offset } of kept) {
      const { id } = ledger.aside.ofRun(run) ?? {};
      if (id !== undefined) this.#sent.set(id, Math.max(this.#sent.get(id) ?? -1, offset));
    }
  }
  /** From the head on, again. */
  restart(strand: number): void {
    this.#sent.delete(strand);
  }
  /** The messages of a strand up to here have gone. */
  sent(strand: Strand, offset: number): void {
    this.#sent.set(strand.id, offset);
  }
  /** Whether a message of this strand may be with the holder. */
  hasSent(strand: number, offset: number): boolean {
    return (this.#sent.get(strand) ?? -1) >= offset;
  }
  /** Heads that were sent. */
  heads(): { readonly strand: Strand; readonly offset: number }[] {
    const heads: { readonly strand: Strand; readonly offset: number }[] = [];
    for (const strand of this.#ledger.aside.redriving()) {
      const head = strand.offsets[0];
      if (head !== undefined && this.hasSent(strand.id, head)) heads.push({ strand, offset: head });
    }
    return heads;
  }
  /** What was set aside has been committed: it can be read now. Says whether that was waited for. */
  flushed(): boolean {
    this.#flushes++;
    if (this.#unflushed.size === 0) return false;
    this.#unflushed.clear();
    return true;
  }
  /** The first strand of which something is to be sent. */
  next(): Strand | undefined {
    const { aside } = this.#ledger;
    if (!aside.isRedriving) return undefined;
    for (const strand of aside.redriving()) {
      if (this.#unflushed.has(strand.id)) continue;
      const last = strand.offsets.at(-1);
      if (last !== undefined && !this.hasSent(strand.id, last)) return strand;
    }
    return undefined;
  }
  /** The next messages of a strand, as far as they are stored, those that have left it since included. */
  async read(strand: Strand, limit: number): Promise<readonly AsideCopy[]> {
    const { aside } = this.#ledger;
    const flushes = this.#flushes;
    const from = this.#from(strand);
    const copies = await aside.copies(strand, from, limit);
    // while it was read the strand may have ended, been put back, or begun anew from its head
    if (aside.strand(strand.id) !== strand || strand.phase !== "redriving" || from !== this.#from(strand)) return [];
    if (copies.length === 0 && flushes === this.#flushes) this.#unflushed.add(strand.id);
    return copies;
  }
  #from({ id }: Strand): number {
    return (this.#sent.get(id) ?? -1) + 1;
  }
}
