import { systemRuntime } from "@seriatim/actors";
import { transportCompliance } from "@seriatim/testing";
import { describe, it } from "vitest";
import { createMemoryTransport, memoryHub } from "./memory-transport.ts";

transportCompliance(
  "memory",
  async () => ({
    transport: createMemoryTransport(systemRuntime(), { hub: memoryHub("compliance") }),
    async [Symbol.asyncDispose]() {},
  }),
  { describe, it },
);
