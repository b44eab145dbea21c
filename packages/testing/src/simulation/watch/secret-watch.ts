import type { ReadFrame } from "@seriatim/actors/internals";

/** Stands in whatever a store or a fault of the broker says: its log may have it, and no client (rule 41). */
export const SECRET = "/var/data/swordfish";

/** P11 as the packets show it: nobody is told what a store failed with, nor what a fault was. */
export class SecretWatch {
  readonly #violate: (text: string) => void;

  constructor(violate: (text: string) => void) {
    this.#violate = violate;
  }
  /** A frame as it is sent. */
  see(frame: ReadFrame, to: string): void {
    if (!("error" in frame) || frame.error === null || !JSON.stringify(frame.error).includes(SECRET)) return;
    this.#violate(`${to} was told in "${frame.type}" what nobody but the log may have: ${frame.error.message}`);
  }
}
