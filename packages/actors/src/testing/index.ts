// `@seriatim/actors/testing`: for those who test their transports, their stores, or what they build on Seriatim.

export { simulatedRuntime } from "../runtime/simulated-runtime.ts";
export * from "./history/index.ts";
export * from "./simulation/index.ts";
export { type StoreFixture, storeCompliance } from "./store-compliance.ts";
export { type TransportFixture, transportCompliance } from "./transport-compliance.ts";
