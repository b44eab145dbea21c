// `@seriatim/actors`: brokers, clients and systems, wired with inversify.
export type { Broker } from "./broker/broker.ts";
export type { BrokerSettings } from "./broker/broker-settings.ts";
export * from "./client.ts";
export { binaryCodec } from "./protocol/binary-codec.ts";
export type { Codec, FrameReader } from "./protocol/codec.ts";
export { jsonCodec } from "./protocol/json-codec.ts";
export {
  type BrokerOptions,
  type ClientOptions,
  createBroker,
  createClient,
  createSystem,
  type System,
  type SystemOptions,
} from "./system/create.ts";
export { memoryStore } from "./system/memory-store-module.ts";
export { auth, provide, type Token, tokens } from "./system/tokens.ts";
