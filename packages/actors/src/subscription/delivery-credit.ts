/**
 * How much more a consumer can take: what it has said in all, less what it was sent. Its totals only grow, so one that
 * is lost or repeated does no harm (rule 25).
 */
export class DeliveryCredit {
  #messagesMax = 0;
  #bytesMax = 0;
  #messages = 0;
  #bytes = 0;

  /** Messages that may still be sent. */
  get messages(): number {
    return this.#messagesMax - this.#messages;
  }
  get bytes(): number {
    return this.#bytesMax - this.#bytes;
  }
  /** The consumer's totals; says whether they are news. */
  grow(messages: number, bytes: number): boolean {
    if (messages <= this.#messagesMax && bytes <= this.#bytesMax) return false;
    this.#messagesMax = Math.max(this.#messagesMax, messages);
    this.#bytesMax = Math.max(this.#bytesMax, bytes);
    return true;
  }
  take(messages: number, bytes: number): void {
    this.#messages += messages;
    this.#bytes += bytes;
  }
  /** Totals count from 0 again. */
  restart(): void {
    this.#messagesMax = 0;
    this.#bytesMax = 0;
    this.#messages = 0;
    this.#bytes = 0;
  }
}
