import type { ContainerModule } from "inversify";
import { createMemoryStore } from "../store/memory-store.ts";
import { provide, tokens } from "./tokens.ts";

/** Queues in memory: nothing survives the process. `bytesMax`: what it may hold, in bytes. @default 1 GiB */
export function memoryStore(options: { readonly bytesMax?: number } = {}): ContainerModule {
  return provide(tokens.store, (get) => createMemoryStore({ runtime: get(tokens.runtime), ...options }));
}
