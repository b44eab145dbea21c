import { asMessagingError } from "../message/errors.ts";
import type { LogExtent, ReadLimit, Store, StoredBatch, StoredRecord, StoreUsage, StoreWriter } from "./store.ts";

/** A store whose reads fail with errors of ours only (`STORE_FAILED` for whatever else it rejects with), so that a failing disk is never taken for a fault of the broker. */
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
    return this.#store.verifyOwner();
  }
  close(): Promise<void> {
    return this.#store.close();
  }
  [Symbol.asyncDispose](): Promise<void> {
    return this.#store.close();
  }
}
const failed = (error: unknown): never => {
  throw asMessagingError(error, "STORE_FAILED");
};
