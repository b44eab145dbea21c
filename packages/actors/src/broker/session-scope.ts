import type { IncomingLink } from "../contracts/transport.ts";
import type { Departure } from "../runtime/departure.ts";
import type { Admitted } from "./instances.ts";
import type { ServedBroker } from "./served-broker.ts";
import type { SessionLife } from "./session-life.ts";
import type { SessionRights } from "./session-rights.ts";
import type { SessionSender } from "./session-sender.ts";

/** What the parts of one session share, from its hello on. */
export interface SessionScope extends ServedBroker {
  readonly link: IncomingLink;
  readonly client: Admitted;
  readonly life: SessionLife;
  readonly sender: SessionSender;
  readonly rights: SessionRights;
  /** The link has ended. */
  readonly departure: Departure;
  /** Nothing was heard for so long that its client may be frozen or cut off. */
  isSilent(): boolean;
  /** Goes on in a turn of the link's own (rule 44); not once it has ended. `resume` throws nothing. */
  later(resume: () => void): void;
}
