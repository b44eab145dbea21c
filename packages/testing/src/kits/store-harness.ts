import { type ErrorCode, isMessagingError } from "@seriatim/actors";
import type { Commit, Store, StoredBatch, StoreWrite } from "@seriatim/actors/store";

/** One set of data, new and empty, with a store open on it. Disposing it closes what is open and removes the data. */
export interface StoreFixture extends AsyncDisposable {
  readonly store: Store;
  /**
   * As if the process died now and a new one opened the data: what is flushed must be kept, other commits may be lost,
   * each as a whole.
   */
  crash(): Promise<Store>;
  /**
   * Opens the same data while `store` is open; must reject with `STORE_IN_USE`. Leave it out where a second open fences
   * the first.
   */
  openAgain?(): Promise<Store>;
  /**
   * Opens the same data for a new owner while `store` still runs, passing by whatever excludes that. Leave it out where
   * nothing can.
   */
  takeOver?(): Promise<Store>;
}
export interface StoreFixtureOptions {
  /** Capacity the test wants, in bytes. @default the store's own */
  readonly bytesMax?: number;
}
/** Defines a test on data of its own. */
export type StorePromise = (
  title: string,
  run: (store: Store, fixture: StoreFixture) => Promise<void>,
  options?: StoreFixtureOptions,
) => void;

/** Capacity of the store that is filled up, in bytes. */
export const SMALL = 8 * 2 ** 20;
export const ALL = { bytesMax: Number.MAX_SAFE_INTEGER };
export const encoder = new TextEncoder();
export const decoder = new TextDecoder();
export const append = (
  log: string,
  first: number,
  countOf: number,
  bytes: Uint8Array = encoder.encode(`${log}@${first}`),
): StoreWrite => ({
  kind: "append",
  log,
  first,
  count: countOf,
  bytes,
});
export const truncate = (log: string, before: number): StoreWrite => ({ kind: "truncate", log, before });
export const put = (key: string, value: string): StoreWrite => ({ kind: "put", key, value: encoder.encode(value) });
export const text = (bytes: Uint8Array | undefined): string | undefined =>
  bytes === undefined ? undefined : decoder.decode(bytes);
export const firsts = (batches: readonly StoredBatch[]): number[] => batches.map((batch) => batch.first);
export const count = (to: number): number[] => Array.from({ length: to }, (_, n) => n);
export const equal = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && a.every((byte, n) => byte === b[n]);
export async function settle(commits: readonly Commit[]): Promise<void> {
  await Promise.all(commits.map((commit) => commit.synced));
}
export function check(ok: boolean, what: string): asserts ok {
  if (!ok) throw new Error(`store compliance: ${what}`);
}
export function same(found: unknown, expected: unknown, what: string): void {
  if (found === expected) return;
  const [a, b] = [JSON.stringify(found), JSON.stringify(expected)];
  check(a === b && !(found instanceof Error), `${what}: expected ${b}, found ${a}`);
}
export async function fails(promise: Promise<unknown>, code: ErrorCode): Promise<Error> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason ?? "nothing",
  );
  check(error !== undefined, `expected ${code}, but it succeeded`);
  check(isMessagingError(error, code), `expected ${code}, found ${String(error)}`);
  return error;
}
