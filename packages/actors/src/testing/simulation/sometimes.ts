import type { SystemEvent } from "../../client/client-api.ts";
import type { Frame } from "../../protocol/frames.ts";
import { codecOf } from "../../protocol/pick-codec.ts";
import type { HistoryEvent } from "../history/history-event.ts";

/** Situations that are rare and matter: a great many runs in which one of them never came up have not tested it. */
export const SOMETIMES = [
  "staleSettleRefused",
  "handledAgain",
  "leaseExpiredInHandler",
  "epochTakenOverInHandler",
  "resumeKeptEpoch",
  "resumeWithMessageInHand",
  "resumeRefused",
  "quarantineWaited",
  "parked",
  "parkedWithFollowers",
  "parkedWhileRevoking",
  "deadLettered",
  "halted",
  "asideFull",
  "exhaustedByLosses",
  "duplicateReceipt",
  "outOfSequenceRewind",
  "laneReopened",
  "tailLost",
  "sendOutcomeUnknown",
  "predecessorFailed",
  "producerFenced",
  "restartWithLeasesLive",
  "wallClockEndedLease",
  "offerPassedOn",
  "redriveUnderLoad",
  "newMessageWhileRedriving",
  "redrivenFailedAgain",
  "discardedUnderLoad",
  "handlerAbandoned",
  "epochRaised",
  "leaseRevoked",
  "leaseEndedByRevokeTimeout",
  "creditUsedUp",
  "commitFailed",
  "frozenOwnerWokeFenced",
  "oldBrokerWokeFenced",
  "effectFencedOut",
  "linkCutWithPacketsOnTheWay",
  "silentLinkGivenUp",
  "orderOutcomeUnknown",
  "removedBySettledByAll",
] as const;
export type Sometimes = (typeof SOMETIMES)[number];

interface Lease {
  readonly epoch: number;
  readonly process: string;
  readonly wallJumps: number;
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
  readonly #lanes = new Set<string>();
  readonly #redriving = new Set<string>();
  /** By link and member: what was sent and what credit there is. */
  readonly #flows = new Map<string, { credit: number; sent: number; handedOut: number }>();
  readonly #offers = new Map<string, string>();
  readonly #resumes = new Set<string>();
  readonly #hear: (frame: Frame, from: string, to: string) => void;
  loadGoesOn = true;

  /** `hear`: every frame as it is sent. */
  constructor(hear: (frame: Frame, from: string, to: string) => void) {
    this.#hear = hear;
  }

  hit(name: Sometimes, times = 1): void {
    this.counts[name] += times;
  }
  wallJumped(process: string): void {
    this.#wallJumps.set(process, (this.#wallJumps.get(process) ?? 0) + 1);
  }
  froze(process: string): void {
    this.#frozenOnce.add(process);
  }
  brokerDied(): void {
    if (this.#leases.size > 0) this.hit("restartWithLeasesLive");
    this.#revoking.clear();
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
        this.#leases.set(subscription, {
          epoch: line.epoch ?? 0,
          process: line.process,
          wallJumps: this.#wallJumps.get(line.process) ?? 0,
        });
        return;
      }
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
        if (reason !== "fenced" && reason !== "revoked" && this.#frozenOnce.has(line.process))
          this.hit("frozenOwnerWokeFenced");
        return;
      }
      case "handling":
        if (this.#handled.has(offsetName(line))) this.hit("handledAgain");
        this.#running.set(runName(line), { process: line.process, epoch: line.epoch ?? 0 });
        return;
      case "handled":
        this.#handled.add(offsetName(line));
        this.#running.delete(runName(line));
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
        if ((line as unknown as { readonly duplicate: boolean }).duplicate) this.hit("duplicateReceipt");
        if (line.key !== null && this.#redriving.has(`${line.topic} ${line.key}`)) this.hit("newMessageWhileRedriving");
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
        if (line.key !== null) this.#redriving.add(`${line.topic} ${line.key}`);
        return;
      case "discarded":
        if (this.loadGoesOn) this.hit("discardedUnderLoad");
        return;
      case "settled":
        if (line.key !== null) this.#redriving.delete(`${line.topic} ${line.key}`);
        return;
      default:
        return;
    }
  }

  packet(what: "sent" | "arrived" | "lost", from: string, to: string, packet: Uint8Array): void {
    if (what === "lost") this.hit("linkCutWithPacketsOnTheWay");
    if (what !== "sent") return;
    for (const frame of codecOf(packet).decode(packet)) {
      this.#frame(frame, from, to);
      this.#hear(frame, from, to);
    }
  }
  #frame(frame: Frame, from: string, to: string) {
    switch (frame.type) {
      case "batch.refused":
        if (frame.error.code === "OUT_OF_SEQUENCE") this.hit("outOfSequenceRewind");
        return;
      case "lane.open": {
        const lane = `${from} ${frame.topic} ${frame.queue}`;
        if (this.#lanes.has(lane) && frame.epoch !== null) this.hit("laneReopened");
        this.#lanes.add(lane);
        return;
      }
      case "lease.acquire":
        if (frame.resume === null) return;
        this.#resumes.add(`${from} ${frame.request} ${frame.resume.epoch}`);
        if (frame.resume.inHand.length > 0) this.hit("resumeWithMessageInHand");
        return;
      case "settle.refused":
        if (frame.error.code === "STALE_EPOCH") this.hit("staleSettleRefused");
        return;
      case "refused":
        if (frame.error.code === "STALE_EPOCH") this.hit("resumeRefused");
        if (frame.error.code === "LIMIT_EXCEEDED") this.hit("asideFull");
        return;
      case "lease.raise":
        return this.hit("epochRaised");
      case "lease.revoke":
        return this.hit("leaseRevoked");
      case "lease.offered": {
        const offer = `${frame.member} ${frame.queue}`;
        const before = this.#offers.get(offer);
        if (before !== undefined && before !== to) this.hit("offerPassedOn");
        this.#offers.set(offer, to);
        return;
      }
      case "lease.granted":
        if (this.#resumes.has(`${to} ${frame.request} ${frame.epoch}`)) this.hit("resumeKeptEpoch");
        this.#offers.delete(`${frame.member} ${frame.queue}`);
        this.#flows.set(`${to} ${frame.member} ${frame.queue}`, { credit: 0, sent: 0, handedOut: 0 });
        return;
      case "credit": {
        const flow = this.#flows.get(`${from} ${frame.member} ${frame.queue}`);
        if (flow !== undefined) flow.credit = frame.messages;
        return;
      }
      case "deliver":
      case "redeliver": {
        const count =
          frame.type === "deliver" ? frame.batches.reduce((sum, batch) => sum + batch.count, 0) : frame.entries.length;
        const flow = this.#flows.get(`${to} ${frame.member} ${frame.queue}`);
        if (flow === undefined) return;
        flow.sent += count;
        if (flow.credit > 0 && flow.sent >= flow.credit) this.hit("creditUsedUp");
        return;
      }
      case "aside.put":
        if (frame.redriven !== null) this.hit("redrivenFailedAgain");
        if (frame.error.message.includes("leases ended with it in hand")) this.hit("exhaustedByLosses");
        return;
      case "aside.done":
        if (frame.offsets.length > 1) this.hit("parkedWithFollowers");
        return;
      default:
        return;
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
        if (event.reason === "revoked") this.hit("leaseEndedByRevokeTimeout");
        return;
      default:
        return;
    }
  }
  subscriptionState(path: string, state: string): void {
    if (state === "quarantined") this.hit("quarantineWaited");
    // `subscription/<topic>/<queue>/<group>`, whatever stands before
    const [topic, queue, group] = path.split("/").slice(-3);
    const name = `${topic} ${queue} ${group}`;
    if (state === "revoking") this.#revoking.add(name);
    else this.#revoking.delete(name);
  }
}

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
