import type { SystemEvent } from "@seriatim/actors/client";
import { codecOf, type ReadFrame } from "@seriatim/actors/internals";
import type { HistoryEvent } from "../../history/history-event.ts";
import type { LinkSide } from "../network/wires.ts";
import { isEmitted } from "./emitted-lines.ts";
import { FrameCounters } from "./frame-counters.ts";
import { SOMETIMES, type Sometimes } from "./sometimes.ts";
import { isBulk } from "./strangers.ts";

interface Lease {
  readonly epoch: number;
  readonly process: string;
  readonly wallJumps: number;
  readonly suspends: number;
}

/** Counts them, from outside: the history, the packets, the brokers' events. */
export class SometimesCounters {
  readonly counts: Record<Sometimes, number> = Object.fromEntries(SOMETIMES.map((name) => [name, 0])) as Record<
    Sometimes,
    number
  >;
  /** By process: how often its wall clock has jumped ahead. */
  readonly #wallJumps = new Map<string, number>();
  readonly #leases = new Map<string, Lease>();
  readonly #handled = new Set<string>();
  readonly #running = new Map<string, { readonly process: string; readonly epoch: number }>();
  readonly #frozenOnce = new Set<string>();
  readonly #revoking = new Set<string>();
  /** Whose lease was asked back, until it is granted again. */
  readonly #askedBack = new Set<string>();
  readonly #redriving = new Set<string>();
  /** By key: offsets that run again. */
  readonly #redriven = new Map<string, Set<number>>();
  /** Keys whose last redriven message is handled and not yet confirmed as settled. */
  readonly #lastHandled = new Set<string>();
  readonly #suspends = new Map<string, number>();
  readonly #quarantinedAt = new Map<string, number>();
  /** By bulk sender: who was sent something since it was answered last. */
  readonly #bulk = new Map<string, "alone" | "others too">();
  readonly #frames = new FrameCounters((name) => this.hit(name));
  readonly #hear: (frame: ReadFrame, to: string, dialler: LinkSide) => void;
  loadGoesOn = true;
  /** The longest lease that a broker started now allows. */
  configuredTtlMs = Number.POSITIVE_INFINITY;
  now: () => number = () => 0;

  /** `hear`: every frame as it is sent. */
  constructor(hear: (frame: ReadFrame, to: string, dialler: LinkSide) => void) {
    this.#hear = hear;
  }

  hit(name: Sometimes, times = 1): void {
    this.counts[name] += times;
  }
  wallJumped(process: string): void {
    this.#wallJumps.set(process, (this.#wallJumps.get(process) ?? 0) + 1);
  }
  froze(process: string, clockStops: boolean): void {
    this.#frozenOnce.add(process);
    if (clockStops) this.#suspends.set(process, (this.#suspends.get(process) ?? 0) + 1);
  }
  brokerDied(): void {
    if (this.#leases.size > 0) this.hit("restartWithLeasesLive");
    this.#revoking.clear();
    this.#quarantinedAt.clear();
  }

  line(line: HistoryEvent) {
    switch (line.type) {
      case "granted": {
        const subscription = `${line.topic} ${line.queue} ${line.group}`;
        for (const [name, running] of this.#running)
          if (
            name.startsWith(`${subscription} `) &&
            running.epoch < (line.epoch ?? 0) &&
            running.process !== line.process
          )
            this.hit("epochTakenOverInHandler");
          else if (
            name.startsWith(`${subscription} `) &&
            running.epoch < (line.epoch ?? 0) &&
            this.#leases.get(subscription)?.epoch === running.epoch
          )
            this.hit("epochRaisedWithOthersInHand");
        this.#leases.set(subscription, {
          epoch: line.epoch ?? 0,
          process: line.process,
          wallJumps: this.#wallJumps.get(line.process) ?? 0,
          suspends: this.#suspends.get(line.process) ?? 0,
        });
        return;
      }
      case "fault":
        // what a dead process was at is no longer under way
        if (line.fault === "kill")
          for (const [name, running] of this.#running) if (running.process === line.target) this.#running.delete(name);
        return;
      case "released":
      case "lost": {
        const subscription = `${line.topic} ${line.queue} ${line.group}`;
        const lease = this.#leases.get(subscription);
        this.#revoking.delete(subscription);
        if (lease?.epoch !== line.epoch) return;
        this.#leases.delete(subscription);
        if (line.type !== "lost") return;
        const { reason } = line as unknown as { readonly reason: string };
        if (reason === "expired" && (this.#wallJumps.get(line.process) ?? 0) > lease.wallJumps)
          this.hit("wallClockEndedLease");
        if (reason === "expired" && (this.#suspends.get(line.process) ?? 0) > lease.suspends)
          this.hit("suspendedClockEndedLease");
        if (reason !== "fenced" && reason !== "revoked" && this.#frozenOnce.has(line.process))
          this.hit("frozenOwnerWokeFenced");
        return;
      }
      case "handling":
        if (this.#handled.has(offsetName(line))) this.hit(line.epoch === 0 ? "unorderedHandledAgain" : "handledAgain");
        this.#running.set(runName(line), { process: line.process, epoch: line.epoch ?? 0 });
        return;
      case "handled":
        this.#handled.add(offsetName(line));
        this.#running.delete(runName(line));
        if (this.#redriven.get(keyName(line))?.size === 1 && this.#redriven.get(keyName(line))?.has(line.offset))
          this.#lastHandled.add(keyName(line));
        return;
      case "sending":
        if (this.#lastHandled.has(keyName(line))) this.hit("newMessageAsRedriveEnds");
        return;
      case "failed":
        this.#running.delete(runName(line));
        return;
      case "aborted":
        if (line.reason === "STALE_EPOCH") this.hit("leaseExpiredInHandler");
        return;
      case "abandoned":
        this.#running.delete(runName(line));
        return this.hit("handlerAbandoned");
      case "sent":
        if ((line as unknown as { readonly duplicate: boolean }).duplicate)
          this.hit(line.id !== null && isEmitted(line.id) ? "emittedAgain" : "duplicateReceipt");
        if (line.key !== null && this.#redriving.has(keyName(line))) this.hit("newMessageWhileRedriving");
        return;
      case "tailLost":
        return this.hit("tailLost");
      case "refused":
        if (line.code === "OUTCOME_UNKNOWN") this.hit("sendOutcomeUnknown");
        if (line.code === "PREDECESSOR_FAILED") this.hit("predecessorFailed");
        if (line.code === "PRODUCER_FENCED") this.hit("producerFenced");
        return;
      case "parked":
        if (this.#revoking.has(`${line.topic} ${line.queue} ${line.group}`)) this.hit("parkedWhileRevoking");
        return;
      case "redriven":
        if (this.loadGoesOn) this.hit("redriveUnderLoad");
        if (line.key !== null) {
          this.#redriving.add(keyName(line));
          this.#redriven.set(keyName(line), (this.#redriven.get(keyName(line)) ?? new Set()).add(line.offset));
        }
        return;
      case "discarded":
        if (this.loadGoesOn) this.hit("discardedUnderLoad");
        return;
      case "settled":
        this.#redriving.delete(keyName(line));
        this.#redriven.get(keyName(line))?.delete(line.offset);
        this.#lastHandled.delete(keyName(line));
        return;
      case "state": {
        const { skipped } = line;
        if (typeof skipped === "number" && skipped > 0) this.hit("lateGroupSkipped");
        return;
      }
      default:
        return;
    }
  }

  packet(what: "sent" | "arrived" | "lost", from: string, to: string, packet: Uint8Array, dialler: LinkSide): void {
    if (what === "lost") this.hit("linkCutWithPacketsOnTheWay");
    if (what !== "sent") return;
    if (isBulk(from)) return;
    if (isBulk(to)) {
      if (this.#bulk.get(to) === "others too") this.hit("bulkShared");
      this.#bulk.set(to, "alone");
      return;
    }
    for (const name of this.#bulk.keys()) this.#bulk.set(name, "others too");
    for (const frame of codecOf(packet).decode(packet)) {
      this.#frames.see(frame, from, to);
      this.#hear(frame, to, dialler);
    }
  }
  event(event: SystemEvent) {
    switch (event.type) {
      case "key.parked":
        return this.hit("parked");
      case "message.deadLettered":
        return this.hit("deadLettered");
      case "queue.halted":
        return this.hit("halted");
      case "lease.lost":
        if (event.reason === "expired" && this.#askedBack.delete(`${event.topic} ${event.queue} ${event.group}`))
          this.hit("leaseEndedByRevokeTimeout");
        return;
      default:
        return;
    }
  }
  subscriptionState(path: string, state: string): void {
    if (state === "quarantined") this.hit("quarantineWaited");
    if (state === "leased.suspended") this.hit("linkCongested"); // no queue here is long enough for the other reason
    // `subscription/<topic>/<queue>/<group>`, whatever stands before
    const [topic, queue, group] = path.split("/").slice(-3);
    const name = `${topic} ${queue} ${group}`;
    const since = this.#quarantinedAt.get(name);
    if (state === "quarantined") this.#quarantinedAt.set(name, this.now());
    else if (since !== undefined) {
      this.#quarantinedAt.delete(name);
      if (this.now() - since > this.configuredTtlMs) this.hit("quarantineOutlastedConfiguredTtl");
    }
    if (state === "revoking") this.#askedBack.add(name);
    else if (state !== "vacant" && state !== "quarantined") this.#askedBack.delete(name);
    if (state === "revoking") this.#revoking.add(name);
    else this.#revoking.delete(name);
  }
}

const keyName = (line: { readonly topic: string; readonly key: string | null }): string => `${line.topic} ${line.key}`;
const offsetName = (line: {
  readonly topic: string;
  readonly queue: unknown;
  readonly group: string;
  readonly offset: number;
}): string => `${line.topic} ${String(line.queue)} ${line.group} ${line.offset}`;
const runName = (line: {
  readonly topic: string;
  readonly queue: unknown;
  readonly group: string;
  readonly offset: number;
  readonly process: string;
  readonly attempt: number;
}): string => `${line.topic} ${String(line.queue)} ${line.group} ${line.offset} ${line.process} ${line.attempt}`;
