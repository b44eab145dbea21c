import type { Actor } from "xstate";
import { ALLOCATIONS } from "../contracts/allocation.ts";
import type { Owner } from "../log/owner.ts";
import { MessagingError } from "../message/errors.ts";
import type { TopicSpec } from "../message/topic.ts";
import type { GroupSettings } from "../protocol/frames.ts";
import type { Queue } from "../queue/queue.ts";
import type { GroupSubscription } from "../subscription/group-subscription.ts";
import type { Holder } from "../subscription/holder.ts";
import type { MemberPort } from "../subscription/member-port.ts";
import type { GroupPart, HolderChange } from "../subscription/subscription-scope.ts";
import { allocate } from "./allocation.ts";
import type { BrokerScope } from "./broker-scope.ts";
import { groupMachine } from "./group.machine.ts";
import { MemberNames } from "./member-names.ts";
import { Offers, type Plan } from "./offers.ts";

export interface GroupOptions {
  readonly spec: TopicSpec;
  readonly name: string;
  readonly settings: GroupSettings;
  readonly queues: readonly Queue[];
}

/**
 * One consumer group at this broker: its members, and which of them is offered which queue. The lease decides, the
 * plan only advises.
 */
export class Group implements GroupPart {
  readonly name: string;
  /** Chosen by the first member that joins. */
  settings: GroupSettings;
  readonly #scope: BrokerScope;
  readonly #spec: TopicSpec;
  readonly #path: string;
  /** The topic's queues that live at this broker. */
  readonly #queues: readonly Queue[];
  readonly #machine: Actor<typeof groupMachine>;
  readonly #names: MemberNames;
  readonly #members = new Map<string, MemberPort>();
  readonly #subscriptions = new Map<number, GroupSubscription>();
  #plan: Plan = new Map();
  readonly #offers: Offers;
  /** Will look what is left of the plan, once for all grants of this turn. */
  #looking = false;

  constructor(scope: BrokerScope, { spec, name, settings, queues }: GroupOptions) {
    this.#scope = scope;
    this.#spec = spec;
    this.#queues = queues;
    this.name = name;
    this.settings = settings;
    this.#path = `group/${spec.name}/${name}`;
    const { runtime, logger } = scope;
    this.#names = new MemberNames(scope, {
      topic: spec.name,
      group: name,
      isLiving: (member) => this.#isLiving(member),
      isHolding: (member) => this.#holding(member).length > 0,
    });
    this.#offers = new Offers({
      runtime,
      subscriptions: this.#subscriptions,
      members: this.#members,
      failed: (error) =>
        logger.log("error", `group "${name}" of "${spec.name}": an offer could not be passed on`, { error }),
    });
    this.#machine = scope.actors.start({ kind: "group", path: this.#path }, groupMachine, {});
    this.#machine.on("plan.due", () => runtime.defer(() => this.#contain(() => this.#carryOut())));
  }
  /**
   * A fault of ours in dealing out the queues: no member's link can be singled out, so all of them end, and their
   * clients come again, later each time.
   */
  #contain(step: () => void): void {
    try {
      step();
    } catch (error) {
      const text = `group "${this.name}" of "${this.#spec.name}": its queues could not be dealt out`;
      this.#scope.logger.log("error", text, { error });
      for (const port of [...this.#members.values()])
        if (port.open) port.fault(error, `dealing out the queues of group "${this.name}"`);
    }
  }
  /**
   * Begins its subscriptions on every queue here: the group's start is persisted with them. All of them or, when one
   * cannot be begun, none.
   */
  async open(): Promise<void> {
    await this.#names.load();
    const queues = this.#queues;
    const begun = await Promise.allSettled(
      queues.map(async (queue) => {
        this.#subscriptions.set(queue.index, await queue.subscribe(this));
      }),
    );
    const failed = begun.find((each) => each.status === "rejected");
    if (failed === undefined) return;
    // else whoever begins the group next would find subscriptions that tell this one of their leases
    await Promise.all(queues.map((queue) => queue.unsubscribe(this)));
    throw failed.reason;
  }
  get isStable(): boolean {
    return this.#machine.getSnapshot().value === "stable";
  }
  /** Without a look at all of them: each that joins asks. */
  get #hasMembers(): boolean {
    for (const port of this.#members.values()) if (port.open) return true;
    return false;
  }
  get memberNames(): readonly string[] {
    return [...this.#members.values()].filter((port) => port.open).map((port) => port.name);
  }
  subscription(queue: number): GroupSubscription | undefined {
    return this.#subscriptions.get(queue);
  }
  subscriptions(): IterableIterator<GroupSubscription> {
    return this.#subscriptions.values();
  }

  /**
   * The name is this principal's from now on, and stored as such.
   * @throws `NAME_IN_USE` when it is another principal's, that has joined with it or holds a lease under it, or a
   * living member's
   */
  async claim(name: string, by: Owner): Promise<void> {
    for (const { principal = null } of this.#holding(name)) this.#names.check(name, by, principal);
    this.#names.check(name, by, null);
    this.requireFree(name); // one that is nobody's stays with the member that has it
    await this.#names.claim(name, by);
  }
  /**
   * @throws `NAME_IN_USE` when a living member has the name: an older link of the same client has been closed by now
   */
  requireFree(name: string): void {
    if (!this.#isLiving(name)) return;
    const text = `group "${this.name}" of topic "${this.#spec.name}" has a living member "${name}": give each consumer a name of its own`;
    throw new MessagingError("NAME_IN_USE", text, { data: { name } });
  }
  /**
   * The name is free for whoever comes next, once whoever has it now has gone; resolves with whether it was
   * anybody's.
   */
  release(name: string): Promise<boolean> {
    return this.#names.release(name);
  }
  forgetIdleNames(): void {
    this.#names.forgetIdle();
  }
  #isLiving(name: string): boolean {
    return this.#members.get(name)?.open === true;
  }
  /** Leases under this name, also those of before a restart. */
  #holding(name: string): Holder[] {
    const holders = [...this.#subscriptions.values()].map(({ lease }) => lease?.holder);
    return holders.filter((holder) => holder?.member === name) as Holder[];
  }
  /** A member whose name is free. */
  join(port: MemberPort): void {
    const before = this.#members.get(port.name);
    const isFirst = !this.#hasMembers;
    this.#members.set(port.name, port);
    void this.#names.claim(port.name, port.principal); // the member that had it may have left meanwhile, and with it its name
    for (const subscription of this.#subscriptions.values()) subscription.join(port);
    // a link that is back changes nothing: the plan stands, unless others have taken over meanwhile
    if (
      before?.instance === port.instance &&
      before !== undefined &&
      this.#plan.size > 0 &&
      this.#isPlannedFor(port.name) &&
      !this.#isDeprived(port.name)
    ) {
      this.#offers.again(port.name);
      return;
    }
    this.#machine.send({ type: "members.changed", atOnce: isFirst });
  }
  #isPlannedFor(name: string): boolean {
    for (const ranking of this.#plan.values()) return ranking.includes(name);
    return false;
  }
  /** Whether a queue that the plan gives to this member is held by another. */
  #isDeprived(name: string): boolean {
    for (const [queue, ranking] of this.#plan) {
      if (ranking[0] !== name) continue;
      const lease = this.#subscriptions.get(queue)?.lease ?? null;
      if (lease?.isHeld === true && lease.holder?.member !== name) return true;
    }
    return false;
  }
  /**
   * A member that had fallen silent (frozen, cut off) is heard again: what went to others meanwhile is dealt out
   * anew.
   */
  heardAgain(port: MemberPort): void {
    if (this.#members.get(port.name) === port && this.#isDeprived(port.name))
      this.#machine.send({ type: "members.changed", atOnce: false });
  }
  /** The member has left for good: its queues are dealt out at once. */
  leave(port: MemberPort): void {
    for (const subscription of this.#subscriptions.values()) subscription.left(port);
    if (this.#remove(port)) this.#names.left(port.name, port.principal);
  }
  /** The member may not stay. Its name stays its principal's, and each queue is dealt out once its lease is over. */
  expel(port: MemberPort): void {
    for (const subscription of this.#subscriptions.values()) subscription.expelled(port);
    this.#remove(port);
  }
  #remove(port: MemberPort): boolean {
    if (this.#members.get(port.name) !== port) return false;
    this.#members.delete(port.name);
    this.#machine.send({ type: "members.changed", atOnce: true });
    return true;
  }
  /** The member's link has ended; it may be back before its leases expire. */
  linkEnded(port: MemberPort): void {
    for (const subscription of this.#subscriptions.values()) subscription.linkEnded(port);
    if (this.#members.get(port.name) === port) this.#machine.send({ type: "members.changed", atOnce: false });
  }

  onVacant(queue: number): void {
    this.#offers.taken(queue);
    this.#scope.runtime.defer(() =>
      this.#contain(() => {
        this.#offers.offer(queue);
        this.#offers.more();
      }),
    );
  }
  onHolder(queue: number, change: HolderChange): void {
    const lease = this.#subscriptions.get(queue)?.lease ?? null;
    if (lease === null) return;
    this.#scope.instances.noteHolder(lease, change);
    if (!change.held) return;
    this.#offers.taken(queue);
    if (this.#looking) return;
    this.#looking = true;
    this.#scope.runtime.defer(() => {
      this.#looking = false;
      this.#contain(() => {
        this.#offers.more();
        this.#lookWhetherDone();
      });
    });
  }

  #carryOut(): void {
    for (const [name, port] of this.#members) if (!port.open) this.#members.delete(name);
    if (this.#machine.getSnapshot().status !== "active") return; // it has been closed
    if (!this.#spec.ordered) return void this.#machine.send({ type: "plan.done" });
    const living = [...this.#members.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
    const queues = [...this.#subscriptions.keys()].sort((a, b) => a - b);
    this.#plan = allocate(
      living[0]?.join.allocation ?? ALLOCATIONS[0],
      queues,
      living.map((port) => port.name),
    );
    this.#offers.follow(this.#plan);
    let moved = 0;
    for (const [queue, ranking] of this.#plan) {
      const lease = this.#subscriptions.get(queue)?.lease ?? null;
      const owner = ranking[0];
      if (lease === null || owner === undefined) continue;
      if (lease.isVacant) {
        moved++;
        if (!this.#offers.isAsked(queue)) this.#offers.offer(queue);
      } else if (lease.isHeld && lease.holder?.member !== owner) {
        moved++;
        lease.revoke();
      } else if (lease.isQuarantined) this.#offers.offer(queue);
    }
    const { events } = this.#scope;
    events.emit({ type: "group.rebalanced", topic: this.#spec.name, group: this.name, members: living.length, moved });
    this.#lookWhetherDone();
  }
  #lookWhetherDone(): void {
    const snapshot = this.#machine.getSnapshot();
    if (snapshot.status !== "active" || !snapshot.matches({ rebalancing: "moving" })) return;
    for (const [queue, ranking] of this.#plan)
      if (ranking.length > 0 && this.#subscriptions.get(queue)?.lease?.holder?.member !== ranking[0]) return;
    this.#machine.send({ type: "plan.done" });
  }
  /** Nothing is dealt out any more. */
  close(): void {
    this.#scope.actors.stop(this.#path);
    this.#offers.close();
  }
}
