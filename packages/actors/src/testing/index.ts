// `@seriatim/actors/testing`: for those who test their transports, their stores, or what they build on Seriatim.
export * from "./history/index.ts";
export { simulatedRuntime } from "./simulated-runtime.ts";
export { storeCompliance } from "./store-compliance.ts";
export { transportCompliance } from "./transport-compliance.ts";
