import type { BrokerLink, LaneFrame } from "../link/broker-link.ts";
import type { Durability, Epoch } from "../message/brands.ts";
import { MessagingError } from "../message/errors.ts";
import type { LaneOpen, LaneOpened } from "../protocol/frames.ts";
import type { Batch } from "./lane-buffer.ts";

/** Opens a lane on a link. Rejects with what the broker refuses it with, or `UNAVAILABLE`. */
export async function openLane(link: BrokerLink, as: Omit<LaneOpen, "type" | "request" | "lane">): Promise<OpenLane> {
  const lane = new OpenLane(link);
  try {
    const opened = await link.request<"lane.open">({ type: "lane.open", lane: lane.number, ...as });
    const isAsAsked = as.epoch === null ? opened.expected === 0 : opened.epoch === as.epoch;
    if (!isAsAsked) {
      const expected = as.epoch === null ? "sequence 0 of a new epoch" : `epoch ${as.epoch}`;
      const text = `lane.opened: expected ${expected}, found epoch ${opened.epoch}, sequence ${opened.expected}`;
      link.violation(text);
      throw new MessagingError("UNAVAILABLE", text);
    }
    lane.opened(opened);
    return lane;
  } catch (error) {
    lane.close();
    throw error;
  }
}

/** A lane as it is open on one link, under one epoch. */
export class OpenLane {
  readonly link: BrokerLink;
  readonly number: number;
  /** What the queue said last that it expects next. */
  expected = 0;
  /** The last refusal answered a batch: nothing from it on was appended on this link. */
  isCertain = false;
  #opened: LaneOpened | null = null;
  #take: ((frame: LaneFrame) => void) | null = null;
  /** What comes right behind `lane.opened`, which is read a microtask later. */
  #early: LaneFrame[] = [];
  readonly #unsubscribe: () => void;

  constructor(link: BrokerLink) {
    this.link = link;
    this.number = link.nextNumber();
    const frames = link.lane$(this.number).subscribe((frame) => {
      if (this.#take === null) this.#early.push(frame);
      else if (frame.epoch === this.epoch) this.#take(frame); // else of an epoch that has ended
    });
    this.#unsubscribe = () => frames.unsubscribe();
  }
  opened(opened: LaneOpened): void {
    this.#opened = opened;
    this.expected = opened.expected;
  }
  get epoch(): Epoch {
    return (this.#opened as LaneOpened).epoch;
  }
  get logEpoch(): number {
    return (this.#opened as LaneOpened).logEpoch;
  }
  /** From now on frames of its epoch go there. */
  listen(take: (frame: LaneFrame) => void): void {
    this.#take = take;
    for (const frame of this.#early) if (frame.epoch === this.epoch) take(frame);
    this.#early = [];
  }
  append({ sequence, count, messages }: Batch, durability: Durability): void {
    this.isCertain = false;
    const { number: lane, epoch } = this;
    this.link.send({ type: "batch.append", lane, epoch, sequence, count, durability, messages });
  }
  /** Nothing of it is heard any more; the broker may forget it, too. */
  close(): void {
    this.#unsubscribe();
    if (this.link.open) this.link.send({ type: "lane.close", lane: this.number });
  }
}
