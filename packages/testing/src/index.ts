// `@seriatim/testing`: for those who test their transports, their stores, or what they build on Seriatim.

export { simulatedRuntime } from "@seriatim/actors/internals";
export * from "./history/index.ts";
export { storeCompliance } from "./kits/store-compliance.ts";
export type { StoreFixture } from "./kits/store-harness.ts";
export { transportCompliance } from "./kits/transport-compliance.ts";
export type { TransportFixture } from "./kits/transport-harness.ts";
export * from "./simulation/index.ts";
