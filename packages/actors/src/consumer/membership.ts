import type { Subscription } from "rxjs";
import type { BrokerLink, MemberFrame } from "../link/broker-link.ts";
import type { HeartbeatSource } from "../link/heartbeats.ts";
import { Refusals } from "../link/refusals.ts";
import { DURATION_MS_MAX } from "../message/duration.ts";
import { asMessagingError, fromWireError, isMessagingError, type MessagingError } from "../message/errors.ts";
import type { LeaseKey, MemberJoin } from "../protocol/frames.ts";
import type { ConsumerRef } from "./consumer.machine.ts";
import type { ConsumerScope } from "./scope.ts";
import type { StartGate } from "./start-gate.ts";
import { Worker } from "./worker.ts";

/** An offer that a worker on its way out kept from being taken up is taken up this long after, ms. */
const OFFER_MS = 3_000;
const JOIN_PACE = { initialMs: 250, maxMs: 10_000 };
/** A name may be free at any time: its predecessor is being found dead. */
const NAME_RETRY_MS_MAX = 1_000;
/** The session of a predecessor with the same name may take this long to be found dead, ms. */
const NAME_WAIT_MS_MIN = 15_000;

/**
 * One consumer's place in its group: joins on every link, lists its leases in the heartbeats, and has one worker for
 * each queue that it was given.
 */
export class Membership implements HeartbeatSource {
  readonly #scope: ConsumerScope;
  readonly #gate: StartGate;
  readonly #consumer: ConsumerRef;
  readonly #workers = new Map<number, Worker>();
  /** Offers that wait for the present worker of their queue to end, by when they came. */
  readonly #offers = new Map<number, number>();
  readonly #stop = new AbortController();
  #links: Subscription | null = null;
  #frames: Subscription | null = null;
  #quiet: (() => void) | null = null;
  #link: BrokerLink | null = null;
  #member = 0;
  #joined = false;
  #nameTriedSince: number | null = null;
  readonly #refusals: Refusals;
  #hasWarned = false;

  constructor(scope: ConsumerScope, gate: StartGate, consumer: ConsumerRef) {
    this.#scope = scope;
    this.#gate = gate;
    this.#consumer = consumer;
    const { environment, topic, settings } = scope;
    this.#refusals = new Refusals(environment, { topic: topic.name, queue: null, group: settings.group }, JOIN_PACE);
  }
  /** The consumer takes on queues. */
  get #isOpen(): boolean {
    return this.#consumer.getSnapshot().value === "open";
  }
  get workers(): number {
    return this.#workers.size;
  }
  /** Handlers that run. */
  get busy(): number {
    let busy = 0;
    for (const { runner } of this.#workers.values()) busy += runner.busy;
    return busy;
  }

  /** Finds the topic, then joins on this link and on each that follows. */
  start(): void {
    const { environment, topic, settings } = this.#scope;
    environment.topics.find(topic, { group: settings.group, consumer: settings.name }, this.#stop.signal).then(
      ({ home }) => {
        if (this.#stop.signal.aborted) return;
        this.#links = environment.linkTo(home).links$.subscribe((link) => this.#guarded(() => this.#onLink(link)));
      },
      (error: unknown) => {
        if (!this.#stop.signal.aborted) this.#fail(asMessagingError(error));
      },
    );
  }
  /** Workers that were held up go on, while they may. */
  pump(): void {
    this.#guarded(() => this.#gate.open());
  }
  /** Looks for work everywhere. */
  pumpAll(): void {
    for (const worker of [...this.#workers.values()]) worker.runner.pump();
  }
  /** Finishes what is in hand, gives the leases back. */
  drain(withinMs: number): void {
    for (const worker of [...this.#workers.values()])
      worker.lease.send({ type: "lease.revoke", withinMs, isClosing: true });
  }
  /** Leaves, with or without goodbye. */
  leave(): void {
    this.#stop.abort();
    for (const worker of [...this.#workers.values()]) worker.lease.lose("revoked");
    if (this.#link?.open === true && this.#member !== 0)
      this.#link.send({ type: "member.leave", member: this.#member });
    this.#unlink();
    this.#links?.unsubscribe();
  }

  leases(): readonly LeaseKey[] {
    const leases: LeaseKey[] = [];
    for (const worker of this.#workers.values()) {
      try {
        const lease = worker.lease.beat;
        if (lease !== null) leases.push({ member: this.#member, ...lease });
      } catch (error) {
        worker.lease.broken(error); // its lease ends; those of the others are listed
      }
    }
    return leases;
  }
  answered({ sentAt, renewed, ended }: Parameters<HeartbeatSource["answered"]>[0]): void {
    this.#guarded(() => {
      for (const { member, queue, epoch, ttlMs } of renewed)
        if (member === this.#member) this.#workers.get(queue)?.lease.beatRenewed(sentAt, epoch, ttlMs);
      for (const { member, queue, epoch } of ended)
        if (member === this.#member) this.#workers.get(queue)?.lease.beatEnded(epoch);
    });
  }

  #onLink(link: BrokerLink | null): void {
    this.#unlink();
    if (link === null || this.#stop.signal.aborted) return;
    this.#link = link;
    const member = link.nextNumber();
    this.#member = member;
    this.#refusals.over();
    this.#frames = link.member$(member).subscribe((frame) => this.#guarded(() => this.#receive(link, frame)));
    // leases are listed from the first beat of the link on, whoever's beat it is: one that is not listed ends
    this.#quiet = link.heartbeats(this);
    this.#join(link);
  }
  #unlink(): void {
    if (this.#link === null) return;
    this.#frames?.unsubscribe();
    this.#quiet?.();
    this.#frames = null;
    this.#quiet = null;
    this.#link = null;
    this.#member = 0;
    this.#joined = false;
    this.#offers.clear();
    for (const worker of [...this.#workers.values()]) worker.unlink();
  }
  #join(link: BrokerLink): void {
    link.request<"member.join">(this.#joinFrame()).then(
      () => {
        if (this.#link === link) this.#guarded(() => this.#onJoined(link));
      },
      (error: unknown) => {
        if (this.#link === link && link.open) this.#guarded(() => this.#onRefused(link, error));
      },
    );
  }
  #onJoined(link: BrokerLink): void {
    this.#joined = true;
    this.#nameTriedSince = null;
    this.#refusals.over();
    if (this.#scope.settings.ordered)
      for (const worker of [...this.#workers.values()]) worker.lease.rejoin(link, this.#member);
    if (this.#link !== link) return; // it was closing, and the last lease had run out: it has left
    link.beat();
    this.#consumer.send({ type: "member.joined" });
  }
  #onRefused(link: BrokerLink, refused: unknown): void {
    if (!isMessagingError(refused)) throw refused; // the answer could not be read
    const error: MessagingError = refused;
    const { runtime } = this.#scope.environment;
    let mostMs = Number.POSITIVE_INFINITY;
    if (error.code === "NAME_IN_USE") {
      this.#nameTriedSince ??= runtime.now();
      const waitMs = Math.max(NAME_WAIT_MS_MIN, 2 * this.#scope.settings.leaseTtlMs);
      const leftMs = this.#nameTriedSince + waitMs - runtime.now();
      if (leftMs <= 0) {
        this.#fail(error);
        return;
      }
      mostMs = Math.min(leftMs, NAME_RETRY_MS_MAX);
    } else if (!error.retryable) {
      this.#fail(error);
      return;
    }
    runtime.setTimeout(
      () =>
        this.#guarded(() => {
          if (this.#link === link && !this.#stop.signal.aborted) this.#join(link);
        }),
      this.#refusals.again("member.join", error, mostMs),
    );
  }
  /** For good: trying again cannot help. */
  #fail(error: MessagingError): void {
    this.#consumer.send({ type: "consumption.failed", error });
  }
  /** It may not stay: its leases are over. */
  #onEnded(link: BrokerLink, error: MessagingError): void {
    this.#joined = false;
    for (const worker of [...this.#workers.values()]) worker.lease.lose("revoked");
    this.#onRefused(link, error);
  }
  #joinFrame(): Omit<MemberJoin, "request"> {
    const { topic, settings } = this.#scope;
    const { attempts, ...retry } = settings.retry;
    return {
      type: "member.join",
      member: this.#member,
      topic: topic.name,
      group: settings.group,
      name: settings.name,
      settings: {
        exhausted: settings.exhausted,
        attempts: Number.isFinite(attempts) ? attempts : null,
        startAt: settings.startAt,
      },
      concurrency: settings.concurrency,
      leaseTtlMs: settings.leaseTtlMs,
      revokeTimeoutMs: settings.revokeTimeoutMs,
      allocation: settings.allocation,
      // a message may wait for its turn here as long as the one before it may take
      invisibleMs: Math.min(2 * (settings.handlerTimeoutMs + settings.handlerGraceMs), DURATION_MS_MAX),
      retry,
    };
  }

  #receive(link: BrokerLink, frame: MemberFrame): void {
    if (this.#link !== link) return;
    if (frame.type === "member.ended") {
      this.#onEnded(link, fromWireError(frame.error));
      return;
    }
    if (frame.type === "lease.offered") {
      this.#onOffer(link, frame.queue);
      return;
    }
    if (frame.type === "lease.granted") {
      if (this.#scope.settings.ordered || !this.#isOpen) return;
      const worker = this.#workers.get(frame.queue) ?? this.#begin(link, frame.queue);
      worker.lease.share(frame);
      return;
    }
    this.#workers.get(frame.queue)?.receive(frame);
  }
  #onOffer(link: BrokerLink, queue: number): void {
    if (!this.#isOpen) return;
    const worker = this.#workers.get(queue);
    if (worker === undefined) {
      if (link.hasLeaseRoom) this.#begin(link, queue);
      else this.#warnOfFull();
    } else {
      this.#offers.set(queue, this.#scope.environment.runtime.now());
      worker.lease.send({ type: "lease.offered" });
    }
  }
  /** The offer passes on to another client. */
  #warnOfFull(): void {
    if (this.#hasWarned) return;
    this.#hasWarned = true;
    const { environment, settings, topic } = this.#scope;
    const who = `consumer "${settings.name}" of "${topic.name}"`;
    const why = "a heartbeat of this client has no room for more leases, consume through more clients";
    environment.logger.log("warn", `${who} takes no more queues: ${why}`, { queues: this.#workers.size });
  }
  #begin(link: BrokerLink, queue: number): Worker {
    const at = { queue, link, member: this.#member };
    const worker = new Worker(this.#scope, this.#gate, at, (ended) => this.#onWorkerEnded(ended));
    this.#workers.set(queue, worker);
    return worker;
  }
  #onWorkerEnded(worker: Worker): void {
    const { queue } = worker;
    if (this.#workers.get(queue) !== worker) return;
    this.#workers.delete(queue);
    const offeredAt = this.#offers.get(queue);
    this.#offers.delete(queue);
    const { runtime } = this.#scope.environment;
    // after the ended worker's machine is done with what it is in the middle of
    if (offeredAt !== undefined && runtime.now() - offeredAt < OFFER_MS)
      runtime.defer(() =>
        this.#guarded(() => {
          if (this.#link?.open === true && this.#joined && !this.#workers.has(queue)) this.#onOffer(this.#link, queue);
        }),
      );
    if (this.#workers.size === 0) this.#consumer.send({ type: "workers.ended" });
  }
  /** What a frame leads to must not throw into the stream that brought it. */
  #guarded(step: () => void): void {
    try {
      step();
    } catch (error) {
      const { environment, settings, topic } = this.#scope;
      const doing = `a frame for consumer "${settings.name}" of "${topic.name}"`;
      if (isMessagingError(error, "PROTOCOL_VIOLATION")) this.#link?.violation(error.message);
      else if (this.#link !== null) this.#link.fault(error, doing);
      else environment.logger.log("error", `a fault of our own at ${doing}`, { error });
    }
  }
}
