import type { Right } from "../contracts/auth.ts";
import type { Principal } from "../contracts/transport.ts";
import { isMessagingError, type MessagingError } from "../message/errors.ts";
import type { AnyOf } from "../protocol/questions/rights.ts";
import { Recurring } from "../runtime/recurring.ts";
import type { BrokerScope } from "./broker-scope.ts";
import { forbidden, isAllowed } from "./is-allowed.ts";

/** A right that something goes on under is asked again after this long. */
export const ASKED_AGAIN_MS = 5_000;
/** So many are asked about in one go: the rest when others have had their turn. */
const AT_ONCE = 256;

/** Called with why what it goes on under is no longer given, and with `null` when it is given again. */
export type RightListener = (refusal: MessagingError | null) => void;
interface Watched {
  readonly any: AnyOf;
  readonly listeners: Set<RightListener>;
  refusal: MessagingError | null;
}
/** What the authorizer is asked with. */
export type RightsScope = Pick<BrokerScope, "authorizer" | "runtime" | "logger">;

/** What somebody who asks may do. */
export interface Rights {
  /** @throws `UNAVAILABLE` when the authorizer gives no answer */
  allows(right: Right): boolean;
  /** @throws `FORBIDDEN`; `UNAVAILABLE` when the authorizer gives no answer */
  require(any: AnyOf): void;
  /** What was required right now is asked again every 5 s, for what goes on under it. Returns what ends that. */
  watch(any: AnyOf, listener: RightListener): () => void;
}
/** Of the process itself. */
export const allRights: Rights = { allows: () => true, require: () => {}, watch: () => () => {} };

/**
 * What the principal of one link may do: asked when it is needed, and again for as long as something goes on under it
 * (rule 45).
 */
export class SessionRights implements Rights {
  readonly #scope: RightsScope;
  readonly #path: string;
  readonly #principal: Principal;
  /** By what they need: lanes of one producer need the same. */
  readonly #watched = new Map<string, Watched>();
  readonly #failed: (error: unknown) => void;
  #again: Recurring | null = null;

  /**
   * `failed` is called with a fault of ours in a listener: what goes on under the right is not to be trusted any
   * more.
   */
  constructor(scope: RightsScope, path: string, principal: Principal, failed: (error: unknown) => void) {
    this.#scope = scope;
    this.#path = path;
    this.#principal = principal;
    this.#failed = failed;
  }
  allows(right: Right): boolean {
    return isAllowed(this.#scope, this.#path, this.#principal, right);
  }
  require(any: AnyOf): void {
    if (!any.some((right) => this.allows(right))) throw forbidden(this.#principal, any);
  }
  watch(any: AnyOf, listener: RightListener): () => void {
    const id = JSON.stringify(any);
    const watched = this.#watched.get(id) ?? { any, listeners: new Set(), refusal: null };
    this.#watched.set(id, watched);
    this.#notify(watched, null);
    watched.listeners.add(listener);
    this.#again ??= new Recurring(this.#scope.runtime, ASKED_AGAIN_MS, () => this.#askAgain(), this.#failed);
    return () => {
      if (!watched.listeners.delete(listener) || watched.listeners.size > 0) return;
      this.#watched.delete(id);
      if (this.#watched.size === 0) this.stop();
    };
  }
  stop(): void {
    this.#again?.stop();
    this.#again = null;
  }

  async #askAgain(): Promise<void> {
    const turn = this.#again;
    let asked = 0;
    for (const watched of [...this.#watched.values()]) {
      if (asked++ % AT_ONCE === 0 && asked > 1)
        await new Promise<void>((resolve) => void this.#scope.runtime.setTimeout(resolve, 0));
      if (this.#again !== turn) return; // the link has ended
      this.#notify(watched, this.#refusalOf(watched.any));
    }
  }
  #notify(watched: Watched, refusal: MessagingError | null): void {
    if (refusal === null && watched.refusal === null) return;
    watched.refusal = refusal;
    for (const listener of [...watched.listeners]) listener(refusal);
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
