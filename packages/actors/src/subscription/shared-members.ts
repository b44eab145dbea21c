import type { Credit } from "../protocol/frames.ts";
import { DeliveryCredit } from "./delivery-credit.ts";
import type { MemberPort } from "./member-port.ts";

/** A member of an unordered group, and how much more it can take. */
export interface SharedMember {
  readonly port: MemberPort;
  readonly credit: DeliveryCredit;
  /** It is told of when its link has drained. */
  waitsForDrain: boolean;
  /** The change in which it settled last. */
  settledIn: number | null;
}
/** A message that is with a member, until when it may be (monotonic ms). */
export interface Claim {
  readonly member: SharedMember;
  readonly untilMs: number;
}

/** Whose turn it is to be given messages. */
export class SharedMembers {
  readonly #members = new Map<MemberPort, SharedMember>();
  readonly #drained: () => void;
  #last: MemberPort | null = null;

  /** `drained`: a member whose link held too much can take something again. */
  constructor(drained: () => void) {
    this.#drained = drained;
  }

  get size(): number {
    return this.#members.size;
  }
  has(member: SharedMember): boolean {
    return this.#members.get(member.port) === member;
  }
  add(port: MemberPort): void {
    this.#members.set(port, { port, credit: new DeliveryCredit(), waitsForDrain: false, settledIn: null });
  }
  remove(port: MemberPort): SharedMember | undefined {
    const member = this.#members.get(port);
    this.#members.delete(port);
    return member;
  }
  /** Says whether it can take more than before. */
  credit(port: MemberPort, { messages, bytes }: Credit): boolean {
    return this.#members.get(port)?.credit.grow(messages, bytes) === true;
  }
  settledIn(port: MemberPort): number | null {
    return this.#members.get(port)?.settledIn ?? null;
  }
  settled(port: MemberPort, revision: number): void {
    const member = this.#members.get(port);
    if (member !== undefined) member.settledIn = revision;
  }
  /** The next member, in turn, that can take something. Who could, but for its link, is told of by `drained`. */
  next(): SharedMember | undefined {
    const members = [...this.#members.values()];
    const last = members.findIndex((member) => member.port === this.#last);
    for (let step = 1; step <= members.length; step++) {
      const member = members[(last + step) % members.length]!;
      if (!member.port.open || member.credit.messages <= 0 || member.credit.bytes <= 0) continue;
      if (member.port.congested) {
        this.#awaitDrain(member);
        continue;
      }
      this.#last = member.port;
      return member;
    }
    return undefined;
  }
  #awaitDrain(member: SharedMember): void {
    if (member.waitsForDrain) return;
    member.waitsForDrain = true;
    member.port.onDrained(() => {
      member.waitsForDrain = false;
      this.#drained();
    });
  }
}
