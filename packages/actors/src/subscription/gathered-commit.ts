import type { Commit, StoreWrite } from "../store/store.ts";

/** Changes that go to the store as one commit, once it has come along. */
export class GatheredCommit {
  readonly writes: StoreWrite[] = [];
  changes = 0;
  readonly commit: Commit;
  #become!: (commit: Commit) => void;
  #fail!: (error: unknown) => void;

  constructor() {
    const commit = new Promise<Commit>((resolve, reject) => {
      // a commit is no promise, but has two
      this.#become = (become) => resolve(become);
      this.#fail = reject;
    });
    const flushed = commit.then((become) => become.flushed);
    const synced = commit.then((become) => become.synced);
    for (const promise of [flushed, synced]) promise.catch(() => {}); // a rejection that nobody reads ends nothing
    this.commit = { flushed, synced };
  }
  add(writes: readonly StoreWrite[]): Commit {
    this.changes++;
    this.writes.push(...writes);
    return this.commit;
  }
  become(commit: Commit): void {
    this.#become(commit);
  }
  fail(error: unknown): void {
    this.#fail(error);
  }
}
