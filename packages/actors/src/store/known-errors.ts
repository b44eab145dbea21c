import { type ErrorCode, isMessagingError, MessagingError, textOf } from "../message/errors.ts";
import type { LogExtent, ReadLimit, Store, StoredBatch, StoredRecord, StoreUsage, StoreWriter } from "./store.ts";

/** What a store may say of itself; whatever else it fails with is `STORE_FAILED`. */
const STORE_CODES: ReadonlySet<ErrorCode> = new Set([
  "STORE_FULL",
  "STORE_IN_USE",
  "STORE_DAMAGED",
  "STORE_FAILED",
  "FORMAT_UNSUPPORTED",
]);
/**
 * Rule 41: what a store has failed with, as an error of ours with that behind it: a store's texts are its own, and may
 * name folders and systems (`Disclosure` lets none through).
 */
export function storeFailure(error: unknown): MessagingError {
  const known = isMessagingError(error) && STORE_CODES.has(error.code) ? error : null;
  if (known?.cause !== undefined) return known;
  const data = known === null ? {} : { data: known.data };
  return new MessagingError(known?.code ?? "STORE_FAILED", textOf(error), { cause: error, ...data });
}

/**
 * A store whose reads fail with errors of ours only (`storeFailure`),
 * so that a failing disk is never taken for a fault of the broker.
 */
export class KnownErrors implements Store {
  readonly #store: Store;
  constructor(store: Store) {
    this.#store = store;
  }
  get durabilityMax(): Store["durabilityMax"] {
    return this.#store.durabilityMax;
  }
  get id(): string {
    return this.#store.id;
  }
  get ownerEpoch(): number {
    return this.#store.ownerEpoch;
  }
  writer(): StoreWriter {
    return this.#store.writer();
  }
  extent(log: string): Promise<LogExtent> {
    return this.#store.extent(log).catch(failed);
  }
  read(log: string, from: number, limit: ReadLimit): Promise<readonly StoredBatch[]> {
    return this.#store.read(log, from, limit).catch(failed);
  }
  get(key: string): Promise<Uint8Array | undefined> {
    return this.#store.get(key).catch(failed);
  }
  list(prefix: string, options?: Parameters<Store["list"]>[1]): Promise<readonly StoredRecord[]> {
    return this.#store.list(prefix, options).catch(failed);
  }
  usage(): StoreUsage {
    return this.#store.usage();
  }
  verifyOwner(): Promise<void> {
    return this.#store.verifyOwner().catch(failed);
  }
  close(): Promise<void> {
    return this.#store.close();
  }
  [Symbol.asyncDispose](): Promise<void> {
    return this.#store.close();
  }
}
/** A commit that fails with errors of ours only, where somebody is told of it. */
export const whenStored = (durable: Promise<void>): Promise<void> => durable.catch(failed);
function failed(error: unknown): never {
  throw storeFailure(error);
}
