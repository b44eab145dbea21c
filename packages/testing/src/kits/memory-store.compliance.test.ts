import { createMemoryStore, MemoryDisk } from "@seriatim/actors/store";
import { describe, it } from "vitest";
import { storeCompliance } from "./store-compliance.ts";

storeCompliance(
  "memory",
  async (options = {}) => {
    const disk = new MemoryDisk(options);
    const store = createMemoryStore({ disk });
    return {
      store,
      crash: async () => createMemoryStore({ disk }),
      takeOver: async () => createMemoryStore({ disk }),
      [Symbol.asyncDispose]: () => store.close(),
    };
  },
  { describe, it },
);
