import { fromWireError } from "../message/errors.ts";
import type { Settled, SettleRefused } from "../protocol/frames.ts";
import type { ConsumerLease } from "./consumer-lease.ts";
import type { QueueScope } from "./scope.ts";

/** Reports that pile up before they are sent at the end of the turn, though more is going on. */
const PILE_MAX = 64;

/** Sends what has been handled, and how much more this end can take, under a lease that can be used. */
export class SettleSender {
  readonly #scope: QueueScope;
  readonly #lease: ConsumerLease;
  readonly #onAnswer: () => void;
  #scheduled: "none" | "turnEnd" | "timed" = "none";

  /** `onAnswer`: a settle has had its answer. */
  constructor(scope: QueueScope, lease: ConsumerLease, onAnswer: () => void) {
    this.#scope = scope;
    this.#lease = lease;
    this.#onAnswer = onAnswer;
  }
  /** Sends what has piled up: at the end of the turn when nothing else is going on, else a moment later. */
  schedule(isIdle: boolean): void {
    const { log, runtime } = this.#scope;
    const { piledUp } = log;
    if (piledUp === 0 || this.#scheduled === "turnEnd") return;
    if (isIdle || piledUp >= PILE_MAX) {
      this.#scheduled = "turnEnd";
      runtime.atTurnEnd(this.#ring);
    } else if (this.#scheduled === "none") {
      this.#scheduled = "timed";
      runtime.setTimeout(this.#ring, 0);
    }
  }
  readonly #ring = (): void => {
    this.#scheduled = "none";
    const { channel } = this.#lease;
    try {
      this.flush();
    } catch (error) {
      channel?.link.fault(error, "settle");
      this.#lease.broken(error);
    }
  };
  /** Sends it now. */
  flush(): void {
    const { log, queue } = this.#scope;
    const { channel } = this.#lease;
    if (channel === null || log.piledUp === 0 || !this.#lease.isAlive()) return;
    const { link, member, epoch } = channel;
    const { settlement, number } = log.seal(epoch);
    link.send({ type: "settle", member, queue, epoch, settle: number ?? 0, settlement });
  }
  giveCredit(): void {
    const { credit, queue } = this.#scope;
    if (!credit.isDue) return;
    const { channel } = this.#lease;
    const total = channel === null ? null : credit.take();
    if (channel === null || total === null) return;
    const { link, member, epoch } = channel;
    link.send({ type: "credit", member, queue, epoch, ...total });
  }
  receive(frame: Settled | SettleRefused): void {
    const { log, settings } = this.#scope;
    const { epoch, settle: number } = frame;
    if (frame.type === "settled") {
      if (!log.settled(epoch, number, frame.revision)) return;
    } else {
      if (!log.refused(epoch, number, fromWireError(frame.error))) return;
      // whatever the reason, the two ends no longer mean the same
      // lease. Without one, the messages come again, to anyone
      if (settings.ordered) this.#lease.lose("fenced");
    }
    this.#onAnswer();
  }
}
