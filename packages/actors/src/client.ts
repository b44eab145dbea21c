// `@seriatim/actors/client`: the door for browsers and other small clients; no inversify behind it.

export { type ClientCoreOptions, createClientCore as createClient } from "./client/client.ts";
export type * from "./client/client-api.ts";
export type * from "./consumer/consumer-api.ts";
export type * from "./contracts/actors.ts";
export type * from "./contracts/auth.ts";
export type * from "./contracts/events.ts";
export type * from "./contracts/history.ts";
export type * from "./contracts/logger.ts";
export type * from "./contracts/metrics.ts";
export type { ClientSettings, CloseOptions, SendArgs, SendOptions, WaitOptions } from "./contracts/options.ts";
export type * from "./contracts/transport.ts";
export type { Branded, Durability, Epoch, Offset, Sequence } from "./message/brands.ts";
export {
  DoNotRetry,
  type ErrorCode,
  type ErrorData,
  type ErrorTypes,
  FlushError,
  InternalError,
  isMessagingError,
  MessagingError,
  optionInvalid,
  RetryLater,
  SchemaError,
  StaleEpochError,
} from "./message/errors.ts";
export type { Message, Receipt } from "./message/message.ts";
export { murmur3, SLOTS, slotOf } from "./message/route.ts";
export { shown } from "./message/text.ts";
export {
  type Encoding,
  type EventInput,
  type EventOutput,
  type EventSchemas,
  type Keying,
  type Retention,
  type Topic,
  type TopicBody,
  type TopicInput,
  type TopicOptions,
  type TopicSpec,
  topic,
  typed,
} from "./message/topic.ts";
export type * from "./producer/producer-api.ts";
export type { FailureInfo, OffsetRange } from "./protocol/frames.ts";
export type {
  AsideListed,
  Description,
  Explanation,
  GroupDescription,
  KeyView,
  LeaseView,
  OffsetClass,
  QueueAccount,
  QueueView,
  TopicDescription,
} from "./protocol/questions.ts";
export type { Runtime } from "./runtime/runtime.ts";
export { systemRuntime } from "./runtime/system-runtime.ts";
export type * from "./store/store.ts";
