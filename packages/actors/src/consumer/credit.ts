/**
 * How much the broker may have sent under one grant, in all: what has left our hands since, plus the window. Totals
 * only grow, so a lost or repeated credit does no harm (rule 25). Told anew when half of the window has been used.
 */
export class Credit {
  readonly #messagesMax: number;
  readonly #bytesMax: number;
  #messages = 0;
  #bytes = 0;
  #toldMessages = 0;
  #toldBytes = 0;

  constructor(messagesMax: number, bytesMax: number) {
    this.#messagesMax = messagesMax;
    this.#bytesMax = bytesMax;
  }
  /** A new grant counts from 0; what is still in hand from before takes its share of the window. */
  restart(heldMessages: number, heldBytes: number): void {
    this.#messages = this.#messagesMax - heldMessages;
    this.#bytes = this.#bytesMax - heldBytes;
    this.#toldMessages = 0;
    this.#toldBytes = 0;
  }
  /** A message has left our hands: settled, set aside, dropped or given up. */
  left(bytes: number): void {
    this.#messages++;
    this.#bytes += bytes;
  }
  /** The broker has less than half of the window left. */
  get isDue(): boolean {
    return (
      (this.#messages - this.#toldMessages) * 2 >= this.#messagesMax ||
      (this.#bytes - this.#toldBytes) * 2 >= this.#bytesMax
    );
  }
  /** The totals to tell now, or null while the broker still has half of them. */
  take(): { readonly messages: number; readonly bytes: number } | null {
    if (!this.isDue) return null;
    // more in hand than the window holds (one huge message): nothing until enough of it has left
    const messages = Math.max(this.#messages, this.#toldMessages);
    const bytes = Math.max(this.#bytes, this.#toldBytes);
    if (messages === this.#toldMessages && bytes === this.#toldBytes) return null;
    this.#toldMessages = messages;
    this.#toldBytes = bytes;
    return { messages, bytes };
  }
}
