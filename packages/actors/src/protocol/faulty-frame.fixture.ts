import { FaultyFrame as Faulty, type FaultyFrameOptions } from "./faulty-frame.ts";

/** What an injected fault says: nobody at the other end of a link may ever read it. */
export const INJECTED = "injected: the password is swordfish";

export class FaultyFrame extends Faulty {
  constructor(at: number, options: FaultyFrameOptions = {}) {
    super(at, { text: INJECTED, ...options });
  }
}
