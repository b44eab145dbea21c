export { binaryCodec } from "./binary-codec.ts";
export { type Codec, changedFrames } from "./codec.ts";
export { jsonCodec } from "./json-codec.ts";
export { Codecs, codecOf } from "./pick-codec.ts";
export { validateFrame } from "./validate-frame.ts";
export { negotiateVersion, versionsUnsupported } from "./version.ts";
