// `@seriatim/actors/internals`: what other packages of this repository need and users do not. Promised to nobody: it
// changes without notice.
// What stands in `.` too is here for those who do without inversify.
export { startBroker } from "./broker/broker.ts";
export { HEARTBEAT_MS_MIN } from "./message/duration.ts";
export { isName, topicSpec } from "./message/topic.ts";
export { FaultyFrame } from "./protocol/faulty-frame.ts";
export type * from "./protocol/frames.ts";
export { binaryCodec, Codecs, changedFrames, codecOf, jsonCodec } from "./protocol/index.ts";
export type { AsideChanged, Question } from "./protocol/questions.ts";
export { seededRandom } from "./runtime/random.ts";
export { randomId } from "./runtime/runtime.ts";
export { type SimulatedRuntime, simulatedRuntime } from "./runtime/simulated-runtime.ts";
