import type { Frame } from "../protocol/frames.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { TokenBucket } from "../runtime/token-bucket.ts";

/** What a link may send per second; what is more is read later. */
export interface LinkRates {
  /** Frames of the protocol, however many a packet holds; as many at once. */
  readonly framesPerSecondMax: number;
  /**
   * Frames that ask for an answer under a number (`ask`, `topic.find`, `lane.open`, `member.join`, `lease.acquire`
   * and the like); ten times as many at once, for whoever comes back with much to ask for.
   */
  readonly questionsPerSecondMax: number;
}
const QUESTIONS_BURST_S = 10;
/** Who is read later is so for a moment, and not frame by frame, ms. */
const WAIT_MS_MIN = 10;

/** A link has sent more than a rate allows. */
export interface RateMet {
  readonly limit: keyof LinkRates;
  readonly max: number;
  /** Until it is read on, ms. */
  readonly waitMs: number;
}

/** The rates of one link. */
export class Rates {
  readonly #rates: LinkRates;
  readonly #frames: TokenBucket;
  readonly #questions: TokenBucket;

  constructor(runtime: Runtime, rates: LinkRates) {
    const { framesPerSecondMax, questionsPerSecondMax } = rates;
    this.#rates = rates;
    this.#frames = new TokenBucket(runtime, framesPerSecondMax, framesPerSecondMax);
    this.#questions = new TokenBucket(runtime, questionsPerSecondMax, questionsPerSecondMax * QUESTIONS_BURST_S);
  }
  /** Counts a frame. */
  spend(frame: Frame): RateMet | null {
    const framesMs = this.#frames.take(1);
    if (framesMs === 0 && isCommon(frame)) return null;
    const questionsMs = !isCommon(frame) && "request" in frame ? this.#questions.take(1) : 0;
    if (framesMs === 0 && questionsMs === 0) return null;
    const limit = questionsMs > framesMs ? "questionsPerSecondMax" : "framesPerSecondMax";
    return { limit, max: this.#rates[limit], waitMs: Math.ceil(Math.max(framesMs, questionsMs, WAIT_MS_MIN)) };
  }
}

/**
 * Frames that come with every few messages: no questions, and cheap to handle for their bytes. Told by their type,
 * since they are of many shapes, and dear to look into.
 */
export function isCommon({ type }: Frame): boolean {
  return type === "settle" || type === "credit" || type === "batch.append";
}
