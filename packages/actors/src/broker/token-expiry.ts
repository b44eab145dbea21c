import type { Principal } from "../contracts/transport.ts";
import { MessagingError } from "../message/errors.ts";
import type { Runtime } from "../runtime/runtime.ts";

/** The wall clock may be set while a token lasts: it is looked at this often, ms. */
const LOOK_MS = 5_000;

/** Tells, once, that the time of the token that a link was opened with is over. */
export class TokenExpiry {
  readonly #runtime: Runtime;
  readonly #over: (error: MessagingError<"UNAUTHENTICATED">) => void;
  #timer: unknown = null;

  constructor(runtime: Runtime, principal: Principal, over: (error: MessagingError<"UNAUTHENTICATED">) => void) {
    this.#runtime = runtime;
    this.#over = over;
    if (principal.expiresAtMs !== undefined) this.#wait(principal.expiresAtMs);
  }
  #wait(expiresAtMs: number): void {
    const look = (): void => {
      if (expiresAtMs > this.#runtime.wallNow()) this.#wait(expiresAtMs);
      else
        this.#over(
          new MessagingError("UNAUTHENTICATED", "the token of this link has expired: dial again with a new one", {
            data: { expiresAtMs },
          }),
        );
    };
    this.#timer = this.#runtime.setTimeout(look, Math.min(Math.max(0, expiresAtMs - this.#runtime.wallNow()), LOOK_MS));
  }
  stop(): void {
    this.#runtime.clearTimeout(this.#timer);
  }
}
