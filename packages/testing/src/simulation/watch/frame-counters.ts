import type { AsideChanged, ReadFrame, Settled } from "@seriatim/actors/internals";
import type { Sometimes } from "./sometimes.ts";

/** A lane on one link. */
interface SeenLane {
  /** Sequences below were sent on an earlier link. */
  readonly knownTo: number;
  sentTo: number;
  /** First sequences of batches that reach from what was sent before into what was not. */
  readonly straddling: Set<number>;
}

/** Counts the situations that frames show. */
export class FrameCounters {
  readonly #hit: (name: Sometimes) => void;
  /** By client, queue and producer. */
  readonly #lanes = new Map<string, SeenLane>();
  readonly #laneNumbers = new Map<string, SeenLane>();
  /** By link and member: what was sent and what credit there is. */
  readonly #flows = new Map<string, { credit: number; sent: number }>();
  readonly #offers = new Map<string, string>();
  readonly #resumes = new Set<string>();
  /** By client and member: the topic and group. */
  readonly #members = new Map<string, string>();
  /** Orders about what is set aside: by client and request, the topic and group. */
  readonly #orders = new Map<string, string>();
  /** By queue of a group: the revision of the last order. */
  readonly #ordered = new Map<string, number>();
  readonly #puts = new Set<string>();
  /** Clients whose right was revoked under way. */
  readonly #forbidden = new Set<string>();
  /** Requests that ask again for what was asked before: by client, the queue of a group. */
  readonly #putsAgain = new Map<string, string>();

  /** By client, member, queue and epoch: its settle that was answered last. */
  readonly #settledLast = new Map<string, Settled>();

  constructor(hit: (name: Sometimes) => void) {
    this.#hit = hit;
  }
  /** A frame as it is sent. */
  see(frame: ReadFrame, from: string, to: string) {
    switch (frame.type) {
      case "batch.refused":
        if (frame.error.code === "OUT_OF_SEQUENCE") this.#hit("outOfSequenceRewind");
        if (frame.error.code === "STORE_FULL") this.#hit("storeFullRefused");
        if (frame.error.code === "FORBIDDEN") {
          this.#hit("batchForbidden");
          this.#forbidden.add(to);
        }
        return;
      case "goodbye":
        if (frame.error?.code === "UNAUTHENTICATED") this.#hit("tokenExpired");
        return;
      case "member.ended":
        this.#hit("memberExpelled");
        this.#forbidden.add(to);
        return;
      case "lane.opened":
      case "member.joined":
        if (this.#forbidden.delete(to)) this.#hit("rightGivenBack");
        return;
      case "lane.open": {
        const name = `${from} ${frame.topic} ${frame.queue} ${frame.producer}`;
        const lane = frame.epoch === null ? undefined : this.#lanes.get(name);
        if (lane !== undefined) this.#hit("laneReopened");
        const opened = { knownTo: lane?.sentTo ?? 0, sentTo: lane?.sentTo ?? 0, straddling: new Set<number>() };
        this.#lanes.set(name, opened);
        this.#laneNumbers.set(`${from} ${frame.lane}`, opened);
        return;
      }
      case "batch.append": {
        const lane = this.#laneNumbers.get(`${from} ${frame.lane}`);
        if (lane === undefined) return;
        const end = frame.sequence + frame.count;
        if (frame.sequence < lane.knownTo && lane.knownTo < end) lane.straddling.add(frame.sequence);
        lane.sentTo = Math.max(lane.sentTo, end);
        return;
      }
      case "batch.appended": {
        const straddles = this.#laneNumbers.get(`${to} ${frame.lane}`)?.straddling.delete(frame.sequence) ?? false;
        if (straddles && frame.runs[0]?.duplicate === true && frame.runs.at(-1)?.duplicate === false)
          this.#hit("batchTrimmed");
        return;
      }
      case "lease.acquire":
        if (frame.resume === null) return;
        this.#resumes.add(`${from} ${frame.request} ${frame.resume.epoch}`);
        if (frame.resume.inHand.length > 0) this.#hit("resumeWithMessageInHand");
        return;
      case "settle.refused":
        if (frame.error.code === "STALE_EPOCH") this.#hit("staleSettleRefused");
        return;
      case "refused":
        if (frame.error.code === "STALE_EPOCH") this.#hit("resumeRefused");
        if (frame.error.code === "FORBIDDEN" && "verb" in frame.error.data) this.#forbidden.add(to);
        if (frame.error.code === "LIMIT_EXCEEDED") this.#hit("asideFull");
        return;
      case "limited":
        return this.#hit("limitMet");
      case "lease.raise":
        return this.#hit("epochRaised");
      case "lease.revoke":
        return this.#hit("leaseRevoked");
      case "lease.offered": {
        const offer = `${frame.member} ${frame.queue}`;
        const before = this.#offers.get(offer);
        if (before !== undefined && before !== to) this.#hit("offerPassedOn");
        this.#offers.set(offer, to);
        return;
      }
      case "lease.granted":
        if (this.#resumes.has(`${to} ${frame.request} ${frame.epoch}`)) this.#hit("resumeKeptEpoch");
        this.#offers.delete(`${frame.member} ${frame.queue}`);
        this.#flows.set(`${to} ${frame.member} ${frame.queue}`, { credit: 0, sent: 0 });
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
        if (flow.credit > 0 && flow.sent >= flow.credit) this.#hit("creditUsedUp");
        return;
      }
      case "member.join":
        this.#members.set(`${from} ${frame.member}`, `${frame.topic} ${frame.group}`);
        return;
      case "ask": {
        const { question } = frame;
        if ("reason" in question) this.#orders.set(`${from} ${frame.request}`, `${question.topic} ${question.group}`);
        return;
      }
      case "settled": {
        const lease = `${to} ${frame.member} ${frame.queue} ${frame.epoch}`;
        const last = this.#settledLast.get(lease);
        // the same settle is answered twice where its first answer may have been lost
        if (last?.revision === frame.revision && last.settle !== frame.settle) this.#hit("settledAgain");
        this.#settledLast.set(lease, frame);
        return;
      }
      case "answer": {
        if (frame.more === true) this.#hit("answerInParts");
        const group = this.#orders.get(`${to} ${frame.request}`);
        this.#orders.delete(`${to} ${frame.request}`);
        if (group === undefined || !isChange(frame.answer)) return;
        this.#ordered.set(`${group} ${frame.answer.queue}`, frame.answer.revision);
        return;
      }
      case "aside.put": {
        const queue = `${this.#members.get(`${from} ${frame.member}`)} ${frame.queue}`;
        const put = `${from} ${queue} ${frame.epoch} ${frame.offset} ${frame.redriven?.strand}`;
        if (this.#puts.has(put)) this.#putsAgain.set(`${from} ${frame.request}`, queue);
        else this.#puts.add(put);
        if (frame.redriven !== null) this.#hit("redrivenFailedAgain");
        if (frame.error.message.includes("leases ended with it in hand")) this.#hit("exhaustedByLosses");
        if (frame.error.message.endsWith("…")) this.#hit("failureTextCut");
        return;
      }
      case "aside.done": {
        const queue = this.#putsAgain.get(`${to} ${frame.request}`);
        this.#putsAgain.delete(`${to} ${frame.request}`);
        if (queue !== undefined && frame.offsets.length > 0 && frame.revision < (this.#ordered.get(queue) ?? 0))
          this.#hit("repeatAnsweredAfterAnotherChange");
        if (frame.offsets.length > 1) this.#hit("parkedWithFollowers");
        return;
      }
      default:
        return;
    }
  }
}
const isChange = (answer: unknown): answer is AsideChanged =>
  answer !== null && typeof answer === "object" && "revision" in answer;
