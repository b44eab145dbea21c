import { isMessagingError } from "../message/errors.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { Store } from "../store/store.ts";

/**
 * Whether this broker still owns its data (rule 7): asked of the store now and then, and where a promise depends on
 * it.
 */
export class DataOwnership {
  readonly #runtime: Runtime;
  readonly #store: Store;
  readonly #lost: (error: unknown) => void;
  #seenAt: number;
  #asking: Promise<void> | null = null;

  /** `lost`: the data are another's now. A store that did not answer is asked again. */
  constructor(runtime: Runtime, store: Store, lost: (error: unknown) => void) {
    this.#runtime = runtime;
    this.#store = store;
    this.#lost = lost;
    this.#seenAt = runtime.now();
  }
  /**
   * `null`: seen within this time. Else resolves when it has been looked at, and rejects with what the store failed
   * with.
   */
  verified(withinMs: number): Promise<void> | null {
    return this.#runtime.now() - this.#seenAt < withinMs ? null : this.verify();
  }
  verify(): Promise<void> {
    this.#asking ??= this.#store.verifyOwner().then(
      () => {
        this.#seenAt = this.#runtime.now();
        this.#asking = null;
      },
      (error: unknown) => {
        this.#asking = null;
        if (isMessagingError(error, "STORE_IN_USE")) this.#lost(error);
        throw error;
      },
    );
    const asking = this.#asking;
    asking.catch(() => {});
    return asking;
  }
}
