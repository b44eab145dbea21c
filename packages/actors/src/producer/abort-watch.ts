import type { MessagingError } from "../message/errors.ts";
import type { PendingSend } from "./pending-send.ts";
import { aborted } from "./send-errors.ts";

/** The signals of sends that are under way. */
export class AbortWatch {
  readonly #takeBack: (sends: readonly PendingSend[], error: MessagingError) => void;
  readonly #signals = new Map<AbortSignal, { readonly sends: Set<PendingSend>; readonly leave: () => void }>();

  constructor(takeBack: (sends: readonly PendingSend[], error: MessagingError) => void) {
    this.#takeBack = takeBack;
  }
  /** One listener per signal, however many sends share it. */
  listen(send: PendingSend, signal: AbortSignal): void {
    let listening = this.#signals.get(signal);
    if (listening === undefined) {
      const sends = new Set<PendingSend>();
      listening = { sends, leave: () => signal.removeEventListener("abort", take) };
      const take = (): void => {
        this.#signals.delete(signal);
        this.#takeBack([...sends], aborted(signal));
      };
      signal.addEventListener("abort", take, { once: true });
      this.#signals.set(signal, listening);
    }
    const { sends, leave } = listening;
    sends.add(send);
    send.unlisten = () => {
      sends.delete(send);
      if (sends.size > 0 || this.#signals.get(signal)?.sends !== sends) return;
      this.#signals.delete(signal);
      leave();
    };
  }
}
