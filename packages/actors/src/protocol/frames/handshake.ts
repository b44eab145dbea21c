import type { Durability } from "../../message/brands.ts";
import type { WireError } from "../../message/errors.ts";
import { amount, list, nullable, since } from "../checks.ts";
import { durability, instance, LIMITS, name, natural, positive, wireError } from "../field-checks.ts";
import { errorFrameBytes } from "../plain-bytes.ts";
import { frame } from "./definition.ts";

/**
 * C, first frame of a link; answered by `welcome`, or by `goodbye` (`VERSION_UNSUPPORTED`, `PROTOCOL_VIOLATION`). The
 * broker first closes every older session of the same instance. Like `goodbye` it is read before both sides know what
 * they speak: it is the same in all versions.
 */
export interface Hello {
  readonly type: "hello";
  readonly versions: readonly number[];
  /** Random, of this client object; the same on all its links. Leases and producer epochs belong to it. */
  readonly instance: string;
  /** Grows with every link of the instance; a broker that has seen a higher one refuses. */
  readonly link: number;
  /** From the first `welcome` of the instance; `null` before that. */
  readonly ordinal: number | null;
  /** The client's name, for people. */
  readonly client: string;
}
export const hello = frame<Hello>({
  type: "hello",
  fields: {
    versions: list(LIMITS.versions, natural),
    instance,
    link: natural,
    client: name,
    ordinal: nullable(natural),
  },
});

/** B, answers `hello`: the version both speak and this broker's limits. */
export interface Welcome {
  readonly type: "welcome";
  readonly version: number;
  readonly brokerId: string;
  readonly broker: string;
  readonly frameBytesMax: number;
  readonly messageBytesMax: number;
  readonly inFlightBatchesMax: number;
  readonly heartbeatMs: number;
  readonly leaseTtlMsMax: number;
  readonly durabilityMax: Durability;
  /**
   * Place of the instance in the order in which instances came to these data, whatever broker had them: the one shown
   * in `hello`, or a new one, above all that were given. One shown that cannot have been given here counts as `null`.
   */
  readonly ordinal: number;
}
export const welcome = frame<Welcome>({
  type: "welcome",
  fields: {
    version: natural,
    brokerId: name,
    broker: name,
    frameBytesMax: positive,
    messageBytesMax: positive,
    inFlightBatchesMax: positive,
    heartbeatMs: amount,
    leaseTtlMsMax: amount,
    durabilityMax: durability,
    ordinal: natural,
  },
});

/** Both, last frame before closing the link: why. */
export interface Goodbye {
  readonly type: "goodbye";
  readonly error: WireError | null;
}
export const goodbye = frame<Goodbye>({
  type: "goodbye",
  fields: { error: nullable(wireError) },
  bytes: errorFrameBytes,
});

/** B, answers any `request` that was not granted. */
export interface Refused {
  readonly type: "refused";
  readonly request: number;
  readonly error: WireError;
}
export const refused = frame<Refused>({
  type: "refused",
  fields: { request: natural, error: wireError },
  bytes: errorFrameBytes,
});

/**
 * B, at most once a second, while a link sends more than it may and is read later for that: which limit (the broker's
 * setting of that name), how many a second it allows, and how long the client should ask nothing more. Nothing is lost
 * and nothing refused; whoever goes on as before waits the longer, and so do its heartbeats. Not answered. Since
 * version 2: older clients are read later, untold.
 */
export interface Limited {
  readonly type: "limited";
  readonly limit: string;
  readonly max: number;
  readonly retryInMs: number;
}
export const limited = frame<Limited>({
  type: "limited",
  fields: since(2, { limit: name, max: positive, retryInMs: amount }),
});
