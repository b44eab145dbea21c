// `@seriatim/actors/transport`: for those who write a transport. Their suite is in `@seriatim/testing`.
export { tokenUnchecked } from "./contracts/token-unchecked.ts";
export type * from "./contracts/transport.ts";
export { DrainWaits } from "./runtime/drain-waits.ts";
export { TokenBucket } from "./runtime/token-bucket.ts";
