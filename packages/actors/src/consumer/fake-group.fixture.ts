import { BehaviorSubject, type Observable, Subject } from "rxjs";
import type { SystemEvent } from "../contracts/events.ts";
import type { HistoryStep } from "../contracts/history.ts";
import type { BrokerLink, MemberFrame } from "../link/broker-link.ts";
import { linkedBy } from "../link/connections.fixture.ts";
import type { HeartbeatSource, Instant } from "../link/heartbeats.ts";
import type { Requests } from "../link/requests.ts";
import { encodeBody } from "../message/body.ts";
import { type Epoch, epoch, type Offset, offset } from "../message/brands.ts";
import { type ErrorCode, fromWireError, MessagingError } from "../message/errors.ts";
import { packMessage } from "../message/packed.ts";
import { NO_SLOT, slotOf } from "../message/route.ts";
import type { BrokerFrame, ClientFrame, LeaseKey, RedrivenId, Settlement, Welcome } from "../protocol/frames.ts";
import { NEWEST_VERSION } from "../protocol/version.ts";
import { ActorRegistry } from "../runtime/actor-registry.ts";
import { EventBus } from "../runtime/event-bus.ts";
import { type SimulatedRuntime, simulatedRuntime } from "../runtime/simulated-runtime.ts";
import { KeysInHand } from "./in-hand.ts";
import type { ConsumerEnvironment } from "./scope.ts";

type Sent<T extends ClientFrame["type"]> = Extract<ClientFrame, { type: T }>;
interface Stored {
  readonly key: string | null;
  readonly packed: Uint8Array;
}

/** One queue of one group, as a broker keeps it: a log, a lease, credit, and what became of each offset. */
export class FakeQueue {
  readonly index: number;
  readonly log: Stored[] = [];
  readonly settled = new Set<number>();
  readonly aside = new Map<number, { readonly kind: string; readonly attempts: number }>();
  readonly parkedKeys = new Set<string>();
  readonly tried = new Map<number, number>();
  readonly losses = new Map<number, number>();
  readonly settledRedriven: RedrivenId[] = [];
  readonly released: number[] = [];
  halted = false;
  epoch = 6;
  revision = 0;
  ttlMs = 10_000;
  /** The member that holds it. */
  holder: { readonly link: FakeLink; readonly member: number } | null = null;
  /** Sent under the present grant, and not to be sent again. */
  delivered = new Set<number>();
  sentMessages = 0;
  sentBytes = 0;
  credit = { messages: 0, bytes: 0 };
  /** Number of its grant on the holder's link. */
  grant = 0;
  redeliveries: { readonly id: RedrivenId; readonly packed: Uint8Array }[] = [];

  constructor(index: number) {
    this.index = index;
  }
  append(key: string | null, body: unknown, headers: Record<string, string> | null = null): Offset {
    const slot = key === null ? NO_SLOT : slotOf(key);
    const id = `m${this.index}-${this.log.length}`;
    this.log.push({
      key,
      packed: packMessage({ key, slot, id, headers, dueMs: null, encoding: "json", body: encodeBody("json", body) }),
    });
    return offset(this.log.length - 1);
  }
}

/** A broker of one group, seen from a consumer: it keeps the rules of frames.ts that the consumer must keep too, and lets a test break in anywhere. */
export class FakeGroup {
  readonly runtime: SimulatedRuntime;
  readonly links$ = new BehaviorSubject<BrokerLink | null>(null);
  readonly queues: FakeQueue[];
  readonly frames: ClientFrame[] = [];
  readonly history: HistoryStep[] = [];
  readonly events: SystemEvent[] = [];
  readonly logged: unknown[] = [];
  readonly emitted: { readonly topic: string; readonly body: unknown; readonly id: string | undefined }[] = [];
  readonly environment: ConsumerEnvironment;
  readonly ordered: boolean;
  /** Frames it does not answer (yet). */
  ignores: (frame: ClientFrame) => boolean = () => false;
  /** Requests it refuses. */
  refuses: (frame: ClientFrame) => ErrorCode | null = () => null;
  /** Answers heartbeats. */
  beats = true;
  /** Offers free queues to whoever joins. */
  offers = true;
  emit: (topic: string, body: unknown) => Promise<void> = async () => {};
  link: FakeLink | null = null;
  #links = 0;

  constructor(options: { readonly queues?: number; readonly ordered?: boolean; readonly seed?: number } = {}) {
    this.runtime = simulatedRuntime({ seed: options.seed ?? 1 });
    this.ordered = options.ordered ?? true;
    this.queues = Array.from({ length: options.queues ?? 1 }, (_, index) => new FakeQueue(index));
    const events = new EventBus(this.runtime, () => {});
    events.events$.subscribe((event) => this.events.push(event));
    const linked = linkedBy(this.links$);
    linked.topics.find = async () => linked as never;
    this.environment = {
      name: "client",
      runtime: this.runtime,
      ...linked,
      actors: new ActorRegistry({
        runtime: this.runtime,
        onFailure: (path, error) => this.logged.push(path, error),
        dropped: () => {},
      }),
      events,
      logger: { log: (level, text, data) => this.logged.push(level, text, data) },
      history: { record: (step) => this.history.push(step) },
      emitter: (topic: { readonly name: string }) =>
        ({
          send: async (body: unknown, sendOptions?: { readonly id?: string }) => {
            await this.emit(topic.name, body);
            this.emitted.push({ topic: topic.name, body, id: sendOptions?.id });
          },
        }) as never,
      inHand: new KeysInHand(),
    };
    this.connect();
  }
  queue(index = 0): FakeQueue {
    return this.queues[index]!;
  }
  connect(): FakeLink {
    const link = new FakeLink(this, ++this.#links);
    this.link = link;
    this.links$.next(link as unknown as BrokerLink);
    return link;
  }
  cut(): void {
    const { link } = this;
    this.link = null;
    if (link === null) return;
    link.end(() => this.links$.next(null));
    for (const queue of this.queues) if (!this.ordered && queue.holder?.link === link) this.vacate(queue);
  }
  sent<T extends ClientFrame["type"]>(type: T): Sent<T>[] {
    return this.frames.filter((frame): frame is Sent<T> => frame.type === type);
  }
  steps(...types: HistoryStep["type"][]): string[] {
    return this.history
      .filter((step) => types.includes(step.type))
      .map(
        (step) =>
          `${step.type}${"offset" in step ? ` ${step.offset}` : ""}${"attempt" in step ? `/${step.attempt}` : ""}`,
      );
  }

  /* ---------- what a broker does by itself ---------- */

  offer(queue = this.queue()): void {
    const { link } = this;
    if (link === null) return;
    for (const member of link.members) link.push({ type: "lease.offered", member, queue: queue.index });
  }
  /** Ends the lease and says so. */
  end(queue = this.queue(), reason: "expired" | "fenced" | "revoked" = "expired"): void {
    const { holder } = queue;
    if (holder === null) return;
    const at = epoch(queue.epoch);
    this.vacate(queue);
    holder.link.push({ type: "lease.ended", member: holder.member, queue: queue.index, epoch: at, reason });
  }
  /** Ends the lease without a word: it has run out. */
  vacate(queue = this.queue()): void {
    queue.holder = null;
    queue.delivered.clear();
  }
  revoke(withinMs: number, queue = this.queue()): void {
    const { holder } = queue;
    holder?.link.push({
      type: "lease.revoke",
      member: holder.member,
      queue: queue.index,
      epoch: epoch(queue.epoch),
      withinMs,
    });
  }
  redeliver(strand: number, offsets: readonly number[], queue = this.queue()): void {
    for (const at of offsets)
      queue.redeliveries.push({ id: { strand, offset: offset(at) }, packed: queue.log[at]!.packed });
    for (const { key } of offsets.map((at) => queue.log[at]!)) if (key !== null) queue.parkedKeys.delete(key);
    this.flow(queue);
  }
  /** Sends what credit allows. */
  flow(queue = this.queue()): void {
    const { holder } = queue;
    if (holder === null || queue.halted) return;
    const room = (bytes: number) =>
      queue.sentMessages < queue.credit.messages && queue.sentBytes + bytes <= queue.credit.bytes;
    const at = { member: holder.member, queue: queue.index, epoch: epoch(queue.epoch) };
    for (
      let next = queue.redeliveries[0];
      next !== undefined && room(next.packed.length);
      next = queue.redeliveries[0]
    ) {
      queue.redeliveries.shift();
      queue.sentMessages++;
      queue.sentBytes += next.packed.length;
      holder.link.push({
        type: "redeliver",
        ...at,
        entries: [{ ...next.id, appendedAtMs: 0, attempts: 0, losses: 0, message: next.packed }],
      });
    }
    for (const [position, { key, packed }] of queue.log.entries()) {
      if (queue.settled.has(position) || queue.aside.has(position) || queue.delivered.has(position)) continue;
      if (key !== null && queue.parkedKeys.has(key)) {
        queue.aside.set(position, { kind: "parked", attempts: 0 });
        continue;
      }
      if (!room(packed.length)) return;
      queue.delivered.add(position);
      queue.sentMessages++;
      queue.sentBytes += packed.length;
      const attempts = queue.tried.get(position) ?? 0;
      const losses = queue.losses.get(position) ?? 0;
      holder.link.push({
        type: "deliver",
        ...at,
        batches: [{ offset: offset(position), count: 1, appendedAtMs: 0, messages: packed }],
        tried: attempts + losses > 0 ? [[position, attempts, losses]] : [],
      });
    }
  }
  apply(queue: FakeQueue, settlement: Settlement): void {
    for (const [from, to] of settlement.ranges) for (let at = from; at < to; at++) queue.settled.add(at);
    for (const [at, attempts] of settlement.tried) {
      queue.tried.set(at, Math.max(attempts, queue.tried.get(at) ?? 0));
      if (!this.ordered) queue.delivered.delete(at);
    }
    queue.settledRedriven.push(...settlement.redriven);
    queue.revision++;
  }
}

export class FakeLink implements Omit<BrokerLink, "welcomed" | "over" | "fault" | "close" | "abort"> {
  readonly number: number;
  readonly welcome = WELCOME;
  readonly batchBytesMax = WELCOME.frameBytesMax;
  hasLeaseRoom = true;
  readonly members: number[] = [];
  readonly violations: string[] = [];
  open = true;
  bufferedBytes = 0;
  readonly #group: FakeGroup;
  readonly #streams = new Map<number, Subject<MemberFrame>>();
  readonly #sources = new Set<HeartbeatSource>();
  readonly #asked = new Map<
    number,
    { readonly resolve: (frame: never) => void; readonly reject: (error: MessagingError) => void }
  >();
  readonly #beats = new Map<number, Instant>();
  #down: BrokerFrame[] = [];
  #numbers = 0;
  #requests = 0;
  #grants = 0;
  #grantsSeen = 0;
  #timer: unknown;
  #soon: unknown = null;

  constructor(group: FakeGroup, number: number) {
    this.#group = group;
    this.number = number;
    const beat = () => {
      this.beat();
      this.#timer = group.runtime.setTimeout(beat, WELCOME.heartbeatMs);
    };
    this.#timer = group.runtime.setTimeout(beat, WELCOME.heartbeatMs);
  }
  end(tell: () => void): void {
    this.open = false;
    this.#group.runtime.clearTimeout(this.#timer);
    tell();
    for (const { reject } of this.#asked.values()) reject(new MessagingError("UNAVAILABLE", "the link has ended"));
    for (const stream of this.#streams.values()) stream.complete();
  }
  nextNumber(): number {
    return ++this.#numbers;
  }
  lane$(): never {
    throw new Error("consumers have no lanes");
  }
  member$(member: number): Observable<MemberFrame> {
    const stream = new Subject<MemberFrame>();
    this.#streams.set(member, stream);
    return stream;
  }
  heartbeats(source: HeartbeatSource): () => void {
    this.#sources.add(source);
    return () => void this.#sources.delete(source);
  }
  beat(): void {
    if (!this.open) return;
    const beat = ++this.#numbers;
    this.#beats.set(beat, { now: this.#group.runtime.now(), wallNow: this.#group.runtime.wallNow() });
    const leases = [...this.#sources].flatMap((source) => source.leases()) as unknown as LeaseKey[];
    this.send({ type: "heartbeat", beat, grantsSeen: this.#grantsSeen, leases });
  }
  beatSoon(): void {
    this.#soon ??= this.#group.runtime.setTimeout(() => {
      this.#soon = null;
      this.beat();
    }, 0);
  }
  fault(thrown: unknown, doing: string): void {
    this.violation(`${doing}: ${String(thrown)}`);
  }
  violation(reason: string): void {
    this.violations.push(reason);
  }
  send(frame: ClientFrame): void {
    if (!this.open) return;
    this.#group.runtime.defer(() => {
      if (!this.open) return;
      this.#group.frames.push(frame);
      if (!this.#group.ignores(frame)) this.#take(frame);
    });
  }
  request<T extends keyof Requests>(frame: Omit<Requests[T][0], "request">): Promise<Requests[T][1]> {
    return new Promise((resolve, reject) => {
      if (!this.open) return reject(new MessagingError("UNAVAILABLE", "the link has ended"));
      const request = ++this.#requests;
      this.#asked.set(request, { resolve, reject });
      this.send({ ...frame, request } as unknown as ClientFrame);
    });
  }
  /** To the client: what is pushed in one turn arrives together, in order. */
  push(frame: BrokerFrame): void {
    this.#down.push(frame);
    if (this.#down.length > 1) return;
    this.#group.runtime.defer(() => {
      const frames = this.#down;
      this.#down = [];
      for (const each of frames) if (this.open) this.#arrive(each);
    });
  }
  #arrive(frame: BrokerFrame): void {
    if (frame.type === "lease.granted")
      this.#group.runtime.setTimeout(() => {
        this.#grantsSeen = Math.max(this.#grantsSeen, frame.grant);
      }, 0);
    if ("request" in frame && frame.request !== null) {
      const asked = this.#asked.get(frame.request);
      this.#asked.delete(frame.request);
      if (frame.type === "refused") asked?.reject(fromWireError(frame.error));
      else asked?.resolve(frame as never);
    } else if (frame.type === "heartbeat.answered") {
      const sentAt = this.#beats.get(frame.beat)!;
      for (const source of this.#sources) source.answered({ sentAt, renewed: frame.renewed, ended: frame.ended });
    } else this.#streams.get((frame as MemberFrame).member)?.next(frame as MemberFrame);
  }

  #refuse(request: number, code: ErrorCode): void {
    this.push({ type: "refused", request, error: { code, message: `fake: ${code}`, data: {} } });
  }
  #take(frame: ClientFrame): void {
    const group = this.#group;
    const queue = "queue" in frame ? group.queue(frame.queue) : group.queue();
    const code = group.refuses(frame);
    if (code !== null && "request" in frame) {
      this.#refuse(frame.request, code);
      return;
    }
    const mine = (at: { readonly epoch: Epoch }) => queue.holder?.link === this && queue.epoch === at.epoch;
    switch (frame.type) {
      case "member.join":
        this.members.push(frame.member);
        this.push({ type: "member.joined", request: frame.request, member: frame.member, ordered: group.ordered });
        for (const each of group.queues)
          if (!group.ordered) {
            each.epoch = 0;
            this.#grant(each, null, frame.member);
          } else if (group.offers && each.holder === null)
            this.push({ type: "lease.offered", member: frame.member, queue: each.index });
        return;
      case "lease.acquire": {
        const { resume } = frame;
        if (resume !== null) {
          if (queue.holder === null || queue.epoch !== resume.epoch) {
            this.#refuse(frame.request, "STALE_EPOCH");
            return;
          }
          group.apply(queue, resume.settle);
          queue.delivered = new Set(
            resume.inHand.flatMap(([from, to]) => Array.from({ length: to - from }, (_, index) => from + index)),
          );
        } else {
          if (queue.holder !== null) {
            this.#refuse(frame.request, "LEASE_HELD");
            return;
          }
          queue.epoch++;
          queue.delivered.clear();
        }
        this.#grant(queue, frame.request, frame.member);
        return;
      }
      case "lease.raise":
        if (!mine(frame)) {
          this.#refuse(frame.request, "STALE_EPOCH");
          return;
        }
        queue.epoch++;
        this.#grant(queue, frame.request, frame.member);
        return;
      case "lease.release":
        if (!mine(frame)) {
          this.#refuse(frame.request, "STALE_EPOCH");
          return;
        }
        group.apply(queue, frame.settle);
        queue.released.push(queue.epoch);
        group.vacate(queue);
        this.push({
          type: "lease.released",
          request: frame.request,
          member: frame.member,
          queue: frame.queue,
          epoch: frame.epoch,
          revision: queue.revision,
        });
        return;
      case "credit":
        if (!mine(frame)) return;
        queue.credit = { messages: frame.messages, bytes: frame.bytes };
        group.flow(queue);
        return;
      case "settle": {
        const at = { member: frame.member, queue: frame.queue, epoch: frame.epoch, settle: frame.settle };
        if (!mine(frame) || code !== null) {
          this.push({
            type: "settle.refused",
            ...at,
            error: { code: code ?? "STALE_EPOCH", message: "fake", data: {} },
          });
          return;
        }
        group.apply(queue, frame.settlement);
        this.push({ type: "settled", ...at, revision: queue.revision });
        group.flow(queue);
        return;
      }
      case "aside.put": {
        if (!mine(frame)) {
          this.#refuse(frame.request, "STALE_EPOCH");
          return;
        }
        const offsets: number[] = frame.kind === "halt" ? [] : [frame.offset];
        if (frame.kind === "halt") queue.halted = true;
        else queue.aside.set(frame.offset, { kind: frame.kind, attempts: frame.attempts });
        if (frame.kind === "park" && frame.key !== null) {
          queue.parkedKeys.add(frame.key);
          for (const at of queue.delivered)
            if (at > frame.offset && queue.log[at]?.key === frame.key && !queue.settled.has(at)) {
              offsets.push(at);
              queue.aside.set(at, { kind: "parked", attempts: 0 });
            }
        }
        const revision = ++queue.revision;
        this.push({
          type: "aside.done",
          request: frame.request,
          member: frame.member,
          queue: frame.queue,
          epoch: frame.epoch,
          revision,
          offsets: offsets as Offset[],
        });
        group.flow(queue);
        return;
      }
      case "heartbeat": {
        if (!group.beats) return;
        const isHeld = ({ queue: index, epoch: at }: LeaseKey) =>
          group.queue(index).holder?.link === this && group.queue(index).epoch === at;
        const renewed = frame.leases
          .filter(isHeld)
          .map((lease) => ({ ...lease, ttlMs: group.queue(lease.queue).ttlMs }));
        const ended = frame.leases
          .filter((lease) => !isHeld(lease))
          .map((lease) => ({ ...lease, current: epoch(group.queue(lease.queue).epoch) }));
        this.push({ type: "heartbeat.answered", beat: frame.beat, renewed, ended });
        for (const each of group.queues) {
          const { holder } = each;
          if (holder === null || frame.leases.some((lease) => lease.queue === each.index && lease.epoch === each.epoch))
            continue;
          if (holder.link !== this || each.grant <= frame.grantsSeen) group.vacate(each);
        }
        return;
      }
      case "ask":
        if (frame.question.kind === "ends")
          this.push({
            type: "answer",
            request: frame.request,
            answer: group.queues.map(({ index, log }) => ({ queue: index, end: offset(log.length) })),
          });
        else if (frame.question.kind === "reached") this.push({ type: "answer", request: frame.request, answer: null });
        return;
      default:
        return;
    }
  }
  #grant(queue: FakeQueue, request: number | null, member: number): void {
    queue.holder = { link: this, member };
    queue.grant = ++this.#grants;
    queue.sentMessages = 0;
    queue.sentBytes = 0;
    queue.credit = { messages: 0, bytes: 0 };
    this.push({
      type: "lease.granted",
      request,
      member,
      queue: queue.index,
      epoch: epoch(queue.epoch),
      ttlMs: queue.ttlMs,
      grant: queue.grant,
      revision: ++queue.revision,
      logEpoch: 3,
    });
  }
}

const WELCOME: Welcome = {
  type: "welcome",
  version: NEWEST_VERSION,
  brokerId: "b1",
  broker: "fake",
  frameBytesMax: 4 * 1024 * 1024,
  messageBytesMax: 1024 * 1024,
  inFlightBatchesMax: 8,
  heartbeatMs: 3_000,
  leaseTtlMsMax: 60_000,
  durabilityMax: "synced",
  ordinal: 1,
};
