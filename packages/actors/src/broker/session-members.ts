import { limitExceeded, MessagingError } from "../message/errors.ts";
import { quoted } from "../message/text.ts";
import { isName } from "../message/topic.ts";
import { untraced } from "../message/untraced.ts";
import type { Credit, MemberJoin, Settle } from "../protocol/frames.ts";
import type { GroupSubscription } from "../subscription/group-subscription.ts";
import type { MemberPort } from "../subscription/member-port.ts";
import type { Group } from "./group.ts";
import { toConsume } from "./needed-rights.ts";
import type { SessionScope } from "./session-scope.ts";
import type { TopicHome } from "./topic-home.ts";

const MEMBERS_MAX = 1_000;
/** Joins of one link that are worked on at once: those behind them wait for turns of their own. */
const JOINS_AT_ONCE = 32;

interface Member {
  readonly port: MemberPort;
  readonly group: Group;
  /** Its right is asked about no more. */
  readonly letGo: () => void;
}

/** The members of groups that have joined on one link. */
export class SessionMembers {
  readonly #session: SessionScope;
  readonly #members = new Map<number, Member>();
  /** Why members may not stay, by their numbers, until those are taken again. */
  readonly #expelled = new Map<number, MessagingError>();
  /** Members whose group is being opened. */
  readonly #joining = new Set<number>();
  /** Joins that wait for their group, those of members that have left meanwhile included. */
  #joins = 0;
  #working = 0;
  /** Joins that wait for their turn, in order. */
  readonly #waiting: (() => void)[] = [];
  #grants = 0;

  constructor(session: SessionScope) {
    this.#session = session;
  }
  /** @throws `UNAVAILABLE`; what it was expelled for */
  get(member: number): Member {
    const known = this.#members.get(member);
    if (known === undefined)
      throw (
        this.#expelled.get(member) ??
        untraced(() => new MessagingError("UNAVAILABLE", `member ${member} has not joined on this link, or has left`))
      );
    return known;
  }
  /** Of a member that has left, nothing is taken. */
  credit(frame: Credit): void {
    const member = this.#members.get(frame.member);
    member?.group.subscription(frame.queue)?.credit(member.port, frame);
  }
  settle(frame: Settle): void {
    const member = this.#members.get(frame.member);
    member?.group.subscription(frame.queue)?.settle(member.port, frame);
  }
  /**
   * The subscription a lease is of, and its member; undefined for one of a member that has left, or whose join is
   * still being answered.
   */
  subscription(frame: {
    readonly member: number;
    readonly queue: number;
  }): { readonly subscription: GroupSubscription; readonly port: MemberPort } | undefined {
    const member = this.#members.get(frame.member);
    const subscription = member?.group.subscription(frame.queue);
    return member === undefined || subscription === undefined ? undefined : { subscription, port: member.port };
  }
  async join(frame: MemberJoin): Promise<void> {
    const { sender, rights, topics } = this.#session;
    try {
      rights.require(toConsume(frame));
      const topic = topics.require(frame.topic);
      if (!isName(frame.group) || !isName(frame.name))
        throw new MessagingError(
          "OPTION_INVALID",
          `names of groups and consumers are 1 to 128 of A-Z a-z 0-9 . _ -, found ${quoted(frame.group)} and ${quoted(frame.name)}`,
        );
      if (this.#members.has(frame.member) || this.#joining.has(frame.member))
        throw new MessagingError("OPTION_INVALID", `member ${frame.member} has joined on this link already`);
      if (this.#members.size + this.#joins >= MEMBERS_MAX)
        throw limitExceeded(
          "membersMax",
          MEMBERS_MAX,
          `this link has ${MEMBERS_MAX} members of groups`,
          "close consumers, or consume through more clients",
        );
      this.#joining.add(frame.member);
      this.#joins++;
      await this.#inTurn(() => this.#enter(frame, topic));
    } catch (error) {
      sender.refuseRequest(frame.request, error, frame.type);
    }
  }
  /** Rule 44: what the joins of one packet lead to is not done in one go. */
  async #inTurn(work: () => Promise<void>): Promise<void> {
    if (this.#working < JOINS_AT_ONCE) this.#working++;
    else await new Promise<void>((resume) => this.#waiting.push(resume));
    try {
      await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#working--;
      else this.#session.later(next);
    }
  }
  async #enter(frame: MemberJoin, topic: TopicHome): Promise<void> {
    const { sender, rights } = this.#session;
    if (!sender.isOpen) return;
    const { member } = frame;
    const group = await this.#open(topic, frame)
      .catch((error: unknown) => {
        this.#joining.delete(member);
        throw error;
      })
      .finally(() => this.#joins--);
    const isWanted = this.#joining.delete(member);
    if (!sender.isOpen) return;
    if (!isWanted) throw new MessagingError("CLOSED", `member ${member} has left before it had joined`);
    group.requireFree(frame.name);
    const right = toConsume(frame);
    rights.require(right); // the group may have taken long to open
    const port = this.#port(frame);
    const letGo = rights.watch(right, (refusal) => {
      if (refusal !== null) this.#expel(member, refusal);
    });
    this.#members.set(member, { port, group, letGo });
    this.#expelled.delete(member);
    sender.send({ type: "member.joined", request: frame.request, member, ordered: topic.spec.ordered });
    group.join(port);
  }
  /** The group, under a name that is its principal's. */
  async #open(topic: TopicHome, { group: named, settings, name }: MemberJoin): Promise<Group> {
    const group = await topic.group(named, settings);
    await group.claim(name, this.#session.client.principal);
    return group;
  }
  #port(join: MemberJoin): MemberPort {
    const { client, link, life, sender, isSilent } = this.#session;
    return {
      instance: client.instance,
      principal: client.principal,
      name: join.name,
      member: join.member,
      join,
      link,
      get open() {
        return life.isOpen;
      },
      get silent() {
        return isSilent();
      },
      get congested() {
        return sender.drain.congested;
      },
      onDrained: (resume) => sender.drain.whenDrained(resume),
      send: (frame) => sender.send(frame),
      refuse: (refusal) => sender.refuse(refusal),
      fault: (error, doing) => life.fault(error, doing),
      overloaded: (error) => life.close(error, "overloaded"),
      nextGrant: () => ++this.#grants,
    };
  }
  leave(number: number): void {
    const member = this.#remove(number);
    member?.group.leave(member.port);
  }
  #remove(number: number): Member | undefined {
    this.#joining.delete(number);
    const member = this.#members.get(number);
    this.#members.delete(number);
    member?.letGo();
    return member;
  }
  /**
   * Its right has been revoked: it is sent nothing more, and nothing is taken of it. A client that cannot be told so
   * joins again on its next link, and is refused.
   */
  #expel(number: number, error: MessagingError): void {
    const member = this.#remove(number);
    member?.group.expel(member.port);
    this.#expelled.set(number, error);
    for (const oldest of this.#expelled.keys()) {
      if (this.#expelled.size <= MEMBERS_MAX) break;
      this.#expelled.delete(oldest);
    }
    const { sender, life } = this.#session;
    const isTold = sender.sendIfSpoken({ type: "member.ended", member: number, error: sender.disclosed(error) });
    if (!isTold) life.close(error, "unavailable");
  }
  /** The link was silent, and is heard again. */
  heardAgain(): void {
    for (const { port, group } of this.#members.values()) group.heardAgain(port);
  }
  linkEnded(): void {
    const members = [...this.#members.values()];
    this.#members.clear();
    for (const { port, group } of members)
      try {
        group.linkEnded(port);
      } catch (error) {
        this.#session.life.fault(error, `the end of member "${port.name}"`);
      }
  }
}
