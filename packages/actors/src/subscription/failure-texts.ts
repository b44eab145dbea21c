import { cutFailure, failureBytes } from "../protocol/cut-texts.ts";
import type { FailureInfo } from "../protocol/frames.ts";

/** Bytes of failures that one subscription keeps whole; further ones are cut short. */
export const FAILURES_BYTES_MAX = 4 * 1024 * 1024;
/** What is left of the message, and of name and code, of one that is cut short. */
const SHORT_BYTES_MAX = 128;
const SHORT_NAME_BYTES_MAX = 64;

/**
 * Rule 41: the texts of failures that one subscription keeps with what it has set aside: counted in bytes. At their
 * bound a new one is cut short: the message stays set aside, and what went wrong with it can still be told.
 */
export class FailureTexts {
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }
  /** The failure as it is kept from now on: give it back to `release` when it is not any more. */
  keep(failure: FailureInfo): FailureInfo {
    const whole = cutFailure(failure);
    const fits = this.#bytes + failureBytes(whole) <= FAILURES_BYTES_MAX;
    const kept = fits ? whole : cutFailure(whole, SHORT_BYTES_MAX, SHORT_NAME_BYTES_MAX);
    this.#bytes += failureBytes(kept);
    return kept;
  }
  release(kept: FailureInfo): void {
    this.#bytes -= failureBytes(kept);
  }
  /** One takes the place of another. The same one stays as it is. */
  replace(kept: FailureInfo, failure: FailureInfo): FailureInfo {
    if (failure === kept) return kept;
    this.release(kept);
    return this.keep(failure);
  }
}
