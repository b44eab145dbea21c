import type { Inspect } from "../contracts/actors.ts";
import type { Authenticator, Authorizer } from "../contracts/auth.ts";
import type { Logger } from "../contracts/logger.ts";
import type { Metrics } from "../contracts/metrics.ts";
import { FRAME_BYTES_MAX, type Transport } from "../contracts/transport.ts";
import { duration, HEARTBEAT_MS_MIN } from "../message/duration.ts";
import { optionInvalid } from "../message/errors.ts";
import { isName, type TopicSpec } from "../message/topic.ts";
import { CLIENT_TAKES_BYTES_MAX } from "../protocol/frame-batcher.ts";
import type { Codecs } from "../protocol/pick-codec.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { Store } from "../store/store.ts";
import { CONGESTED_BYTES } from "./drain.ts";
import type { LinkRates } from "./rates.ts";

export interface BrokerSettings {
  /** Identity for people. @default "broker" */
  readonly name?: string | undefined;
  /** Topics that are there from the start; more by `admin.declare`. @default [] */
  readonly topics?: readonly TopicSpec[] | undefined;
  /**
   * Largest message, packed, in bytes; announced to clients, so that the send fails and not the link.
   * @default 1 MiB
   */
  readonly messageBytesMax?: number | undefined;
  /** Largest frame, in bytes, at most 48 MiB. @default 4 MiB */
  readonly frameBytesMax?: number | undefined;
  /** How often clients renew their leases, in ms, at least 10. @default 3_000 */
  readonly heartbeatMs?: number | undefined;
  /** Longest lease a consumer can ask for, in ms. @default 60_000 */
  readonly leaseTtlMsMax?: number | undefined;
  /**
   * Frames of the protocol that one link may send per second, as many at once; what is more is read later, and the
   * client is told (`link.limited`). @default 200_000
   */
  readonly framesPerSecondMax?: number | undefined;
  /**
   * The same of frames that ask for an answer: questions, orders, lookups of topics, and openings of lanes, members
   * and leases; ten times as many at once. @default 2_000
   */
  readonly questionsPerSecondMax?: number | undefined;
  readonly inspect?: Inspect | undefined;
}
/** What a broker is made of. */
export interface BrokerParts {
  /** Where it listens: one or several. */
  readonly transports: readonly Transport[];
  readonly store: Store;
  readonly runtime: Runtime;
  readonly authenticator: Authenticator;
  /**
   * Whether it tells principals apart. Where it does not (none is bound), all are one, and names, instances and
   * leases belong to nobody.
   * @default true
   */
  readonly authenticates?: boolean;
  readonly authorizer: Authorizer;
  readonly logger: Logger;
  /** @default null: nothing is counted */
  readonly metrics?: Metrics | null;
  /** What it speaks. @default all protocol versions there are */
  readonly codecs?: Codecs;
  /**
   * Bytes waiting on a link above which deliveries to it pause: for simulations, whose messages are small.
   * @default 1 MiB
   */
  readonly congestedBytes?: number;
  /**
   * A packet to a client that could be divided is no larger: for simulations, whose answers are small.
   * @default `frameBytesMax`
   */
  readonly packetBytes?: number;
  /**
   * Frames of one link until it is the others' turn: for simulations, whose clock stands still meanwhile.
   * @default 1_024
   */
  readonly sliceFrames?: number;
}
/** What a broker allows, checked. */
export interface BrokerLimits {
  readonly messageBytesMax: number;
  readonly frameBytesMax: number;
  readonly heartbeatMs: number;
  readonly leaseTtlMsMax: number;
  readonly congestedBytes: number;
  /** No packet to a client is larger that could be divided. */
  readonly packetBytes: number;
  readonly rates: LinkRates;
}
const FRAME_BYTES_LIMIT = (CLIENT_TAKES_BYTES_MAX * 3) / 4;

/** @throws `OPTION_INVALID` */
export function checkedName(name = "broker"): string {
  if (!isName(name)) throw optionInvalid("name", "1 to 128 of the characters A-Z a-z 0-9 . _ -", name);
  return name;
}
/** @throws `OPTION_INVALID` */
export function limitsOf(
  settings: BrokerSettings,
  parts: Pick<BrokerParts, "congestedBytes" | "packetBytes">,
): BrokerLimits {
  const limits: BrokerLimits = {
    messageBytesMax: positive("messageBytesMax", settings.messageBytesMax ?? 1024 * 1024),
    frameBytesMax: positive("frameBytesMax", settings.frameBytesMax ?? FRAME_BYTES_MAX),
    heartbeatMs: duration("heartbeatMs", settings.heartbeatMs, 3_000, HEARTBEAT_MS_MIN),
    leaseTtlMsMax: duration("leaseTtlMsMax", settings.leaseTtlMsMax, 60_000, 1),
    congestedBytes: parts.congestedBytes ?? CONGESTED_BYTES,
    packetBytes: parts.packetBytes ?? Number.POSITIVE_INFINITY,
    rates: {
      framesPerSecondMax: positive("framesPerSecondMax", settings.framesPerSecondMax ?? 200_000),
      questionsPerSecondMax: positive("questionsPerSecondMax", settings.questionsPerSecondMax ?? 2_000),
    },
  };
  const { frameBytesMax, messageBytesMax } = limits;
  if (frameBytesMax > FRAME_BYTES_LIMIT)
    throw optionInvalid(
      "frameBytesMax",
      "at most 48 MiB: in JSON a message grows by a third, and clients take 64",
      frameBytesMax,
    );
  if (messageBytesMax + 64 * 1024 > frameBytesMax)
    throw optionInvalid("frameBytesMax", "at least 64 KiB more than messageBytesMax", frameBytesMax);
  return limits;
}
function positive(option: string, value: number): number {
  if (!Number.isSafeInteger(value) || value < 1) throw optionInvalid(option, "a positive integer", value);
  return value;
}
