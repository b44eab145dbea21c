// `@seriatim/actors/store`: for those who write a store, or put one of
// their own making under a broker. Their suite is in `@seriatim/testing`.
export { MemoryDisk } from "./store/memory-disk.ts";
export { createMemoryStore } from "./store/memory-store.ts";
export { SortedRecords } from "./store/sorted-records.ts";
export type * from "./store/store.ts";
export { STORE_KEY_BYTES_MAX } from "./store/store.ts";
export { isStoreKey, storeReserveBytes, storeWriteProblem } from "./store/store-rules.ts";
