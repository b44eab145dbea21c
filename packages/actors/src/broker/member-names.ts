import { mayHave, nameOfAnother, type Owner } from "../log/owner.ts";
import { KEPT_MS, SEEN_EACH_MS } from "../log/producer-table.ts";
import { decodeRecord, encodeRecord, storeKeys } from "../log/records.ts";
import { whenStored } from "../store/known-errors.ts";
import type { StoreWrite, StoreWriter } from "../store/store.ts";
import type { BrokerScope } from "./broker-scope.ts";
import { PrincipalCache } from "./principal-cache.ts";

/** Names of one principal in a group that are kept while nobody has them, at most. */
export const NAMES_MAX = 1_000;
/** Of all principals together. */
const NAMES_IN_ALL_MAX = 10_000;
const LOOK_MS = 3_600_000;

type Stored = readonly [principal: string, seenMs: number];
type NamesScope = Pick<BrokerScope, "store" | "runtime" | "logger">;
export interface MemberNamesOptions {
  readonly topic: string;
  readonly group: string;
  /** A living member has it. */
  readonly isLiving: (name: string) => boolean;
  /** A lease is held under it, or was before a restart. */
  readonly isHolding: (name: string) => boolean;
}
interface Kept {
  readonly owner: string;
  /** As it is stored: less than a day behind. */
  seenMs: number;
  /** The store has it. */
  readonly stored: Promise<void>;
}
const STORED = Promise.resolve();

/**
 * Whose the names of a group's members are (rule 18): of the principal that joined with one first, until it leaves,
 * or for a week after it was last seen. Stored, so that they are after a restart, too. Where nobody is told apart
 * nothing is kept.
 */
export class MemberNames {
  readonly #scope: NamesScope;
  readonly #options: MemberNamesOptions;
  readonly #names = new Map<string, Kept>();
  readonly #order: PrincipalCache<null>;
  #writer: StoreWriter;
  #lookAt = Number.NEGATIVE_INFINITY;

  constructor(scope: NamesScope, options: MemberNamesOptions) {
    this.#scope = scope;
    this.#options = options;
    this.#writer = scope.store.writer();
    this.#order = new PrincipalCache({
      eachMax: NAMES_MAX,
      allMax: NAMES_IN_ALL_MAX,
      isInUse: (name) => options.isLiving(name) || options.isHolding(name),
      dropped: (name) => this.#forget([name]),
    });
  }
  /** @throws `STORE_DAMAGED` */
  async load(): Promise<void> {
    const { topic, group } = this.#options;
    const prefix = storeKeys.members(topic, group);
    const found = (await this.#scope.store.list(prefix)).map(({ key, value }) => {
      const [owner, seenMs] = decodeRecord<Stored>(key, value);
      return { name: key.slice(prefix.length), owner, seenMs };
    });
    for (const { name, owner, seenMs } of found.sort((a, b) => a.seenMs - b.seenMs))
      this.#keep(name, { owner, seenMs, stored: STORED });
  }
  /** @throws `NAME_IN_USE` where it is another principal's; `of`: whose lease there is under it */
  check(name: string, by: Owner, of: Owner): void {
    if (mayHave(by, of) && mayHave(by, this.#names.get(name)?.owner ?? null)) return;
    const { topic, group } = this.#options;
    const freed = "when its consumer is closed, or a week after it was last linked";
    throw nameOfAnother(`consumer "${name}" of group "${group}" of topic "${topic}"`, name, by, freed);
  }
  /**
   * It is this principal's from now on; resolves once that is stored. A `check` goes before. Rejects with what the
   * store fails with: nothing has changed then.
   */
  claim(name: string, by: Owner): Promise<void> {
    if (by === null) return STORED;
    const nowMs = this.#scope.runtime.wallNow();
    const known = this.#names.get(name);
    if (known !== undefined && nowMs - known.seenMs <= SEEN_EACH_MS) {
      this.#keep(name, known);
      return known.stored;
    }
    const kept = { owner: by, seenMs: nowMs, stored: this.#commit([this.#put(name, by, nowMs)]) };
    this.#keep(name, kept);
    kept.stored.catch(() => {
      if (this.#names.get(name) === kept) this.#drop(name, by);
    });
    return kept.stored;
  }
  /** The first that comes has it from now on; resolves, once that is stored, with whether it was anybody's. */
  async release(name: string): Promise<boolean> {
    const known = this.#names.get(name);
    if (known === undefined) return false;
    this.#drop(name, known.owner);
    await this.#commit([this.#removal(name)]);
    return true;
  }
  /** Its member has left for good. */
  left(name: string, by: Owner): void {
    const known = this.#names.get(name);
    if (by === null || known === undefined) return;
    this.#drop(name, known.owner);
    this.#forget([name]);
  }
  /** Once an hour: forgets those of whom nothing was seen for a week. */
  forgetIdle(): void {
    const { isLiving, isHolding } = this.#options;
    const { runtime } = this.#scope;
    if (runtime.now() < this.#lookAt) return;
    this.#lookAt = runtime.now() + LOOK_MS;
    const nowMs = runtime.wallNow();
    const gone: string[] = [];
    const seen: StoreWrite[] = [];
    for (const [name, known] of [...this.#names]) {
      const awayMs = nowMs - known.seenMs;
      if (awayMs <= SEEN_EACH_MS) continue;
      if (isLiving(name)) {
        known.seenMs = nowMs;
        seen.push(this.#put(name, known.owner, nowMs));
      } else if (awayMs > KEPT_MS + SEEN_EACH_MS && !isHolding(name)) {
        this.#drop(name, known.owner);
        gone.push(name);
      }
    }
    this.#forget(gone, seen);
  }
  #keep(name: string, kept: Kept): void {
    this.#names.set(name, kept);
    this.#order.set(kept.owner, name, null);
  }
  #drop(name: string, owner: string): void {
    this.#names.delete(name);
    this.#order.delete(owner, name);
  }
  /** Removes their records. Nobody waits for it: one that stays is forgotten after a week. */
  #forget(names: readonly string[], more: readonly StoreWrite[] = []): void {
    for (const name of names) this.#names.delete(name);
    const writes = [...names.map((name) => this.#removal(name)), ...more];
    const { topic, group } = this.#options;
    this.#commit(writes).catch((error: unknown) =>
      this.#scope.logger.log("warn", `names of members of group "${group}" of "${topic}" could not be stored`, {
        error,
      }),
    );
  }
  #put(name: string, owner: string, seenMs: number): StoreWrite {
    const { topic, group } = this.#options;
    const value = encodeRecord([owner, seenMs] satisfies Stored);
    return { kind: "put", key: storeKeys.member(topic, group, name), value };
  }
  #removal(name: string): StoreWrite {
    const { topic, group } = this.#options;
    return { kind: "remove", key: storeKeys.member(topic, group, name) };
  }
  async #commit(writes: readonly StoreWrite[]): Promise<void> {
    if (writes.length === 0) return;
    const writer = this.#writer;
    try {
      await whenStored(writer.commit(writes).synced);
    } catch (error) {
      if (writer === this.#writer) this.#writer = this.#scope.store.writer();
      throw error;
    }
  }
}
