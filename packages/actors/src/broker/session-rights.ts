import type { Authorizer, Right } from "../contracts/auth.ts";
import type { Logger } from "../contracts/logger.ts";
import type { Principal } from "../contracts/transport.ts";
import { isMessagingError, type MessagingError } from "../message/errors.ts";
import type { AnyOf } from "../protocol/questions/rights.ts";
import { Recurring } from "../runtime/recurring.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { forbidden, isAllowed } from "./is-allowed.ts";

/** A right that something goes on under is asked again after this long. */
export const ASKED_AGAIN_MS = 5_000;
/** So many are asked about in one go: the rest when others have had their turn. */
const AT_ONCE = 256;

/** Hears why what it goes on under is no longer given, and `null` when it is given again. */
export type Heard = (refusal: MessagingError | null) => void;
interface Held {
  readonly any: AnyOf;
  readonly heard: Set<Heard>;
  refusal: MessagingError | null;
}
export interface RightsHost {
  readonly runtime: Runtime;
  readonly authorizer: Authorizer;
  readonly logger: Logger;
}

/** What somebody who asks may do. */
export interface Rights {
  /** @throws `UNAVAILABLE` when the authorizer gives no answer */
  allows(right: Right): boolean;
  /** @throws `FORBIDDEN`; `UNAVAILABLE` when the authorizer gives no answer */
  require(any: AnyOf): void;
  /** What was required right now is asked again every 5 s, for what goes on under it. Returns what ends that. */
  watch(any: AnyOf, heard: Heard): () => void;
}
/** Of the process itself. */
export const allRights: Rights = { allows: () => true, require: () => {}, watch: () => () => {} };

/** What the principal of one link may do: asked when it is needed, and again for as long as something goes on under it (rule 45). */
export class SessionRights implements Rights {
  readonly #host: RightsHost;
  readonly #path: string;
  readonly #principal: Principal;
  /** By what they need: lanes of one producer need the same. */
  readonly #held = new Map<string, Held>();
  readonly #failed: (error: unknown) => void;
  #again: Recurring | null = null;

  /** `failed` hears a fault of ours in what was told of a right: what it went on under is not to be trusted any more. */
  constructor(host: RightsHost, path: string, principal: Principal, failed: (error: unknown) => void) {
    this.#host = host;
    this.#path = path;
    this.#principal = principal;
    this.#failed = failed;
  }
  allows(right: Right): boolean {
    return isAllowed(this.#host, this.#path, this.#principal, right);
  }
  require(any: AnyOf): void {
    if (!any.some((right) => this.allows(right))) throw forbidden(this.#principal, any);
  }
  watch(any: AnyOf, heard: Heard): () => void {
    const id = JSON.stringify(any);
    const held = this.#held.get(id) ?? { any, heard: new Set(), refusal: null };
    this.#held.set(id, held);
    this.#tell(held, null);
    held.heard.add(heard);
    this.#again ??= new Recurring(this.#host.runtime, ASKED_AGAIN_MS, () => this.#askAgain(), this.#failed);
    return () => {
      if (!held.heard.delete(heard) || held.heard.size > 0) return;
      this.#held.delete(id);
      if (this.#held.size === 0) this.stop();
    };
  }
  stop(): void {
    this.#again?.stop();
    this.#again = null;
  }

  async #askAgain(): Promise<void> {
    const turn = this.#again;
    let asked = 0;
    for (const held of [...this.#held.values()]) {
      if (asked++ % AT_ONCE === 0 && asked > 1)
        await new Promise<void>((resolve) => void this.#host.runtime.setTimeout(resolve, 0));
      if (this.#again !== turn) return; // the link has ended
      this.#tell(held, this.#refusalOf(held.any));
    }
  }
  #tell(held: Held, refusal: MessagingError | null): void {
    if (refusal === null && held.refusal === null) return;
    held.refusal = refusal;
    for (const heard of [...held.heard]) heard(refusal);
  }
  #refusalOf(any: AnyOf): MessagingError | null {
    try {
      this.require(any);
      return null;
    } catch (error) {
      if (isMessagingError(error)) return error;
      throw error;
    }
  }
}
