import type { GroupName } from "./settings.ts";

/** What a handler does to the world: "this happened to this key", under the epoch of its lease. */
export interface Write {
  readonly group: GroupName;
  readonly key: string;
  readonly ordinal: number;
  readonly fence: number;
}
/** `refused`: a newer holder has written. */
export type WriteOutcome = "applied" | "repeated" | "refused";

/**
 * The database that handlers write to. It outlives every process of a round and keeps, beside each row, the largest fence it has seen. Each key's events must
 * come in order, none left out, whatever was killed in between.
 */
export class OutsideWorld {
  readonly #rows = new Map<string, { next: number; fence: number }>();
  readonly gaps: string[] = [];
  applied = 0;
  repeated = 0;
  refused = 0;

  apply({ group, key, ordinal, fence }: Write): WriteOutcome {
    const name = `${group} ${key}`;
    const row = this.#rows.get(name) ?? { next: 0, fence: 0 };
    if (fence < row.fence) {
      this.refused++;
      return "refused";
    }
    this.#rows.set(name, row);
    row.fence = fence;
    if (ordinal < row.next) {
      this.repeated++;
      return "repeated";
    }
    if (ordinal > row.next)
      this.gaps.push(`${group}: number ${ordinal} of key ${key} took effect, number ${row.next} had not`);
    row.next = ordinal + 1;
    this.applied++;
    return "applied";
  }
}
