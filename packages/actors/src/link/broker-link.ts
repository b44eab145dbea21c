import type { Observable } from "rxjs";
import type {
  Answer,
  AsideDone,
  AsidePut,
  Ask,
  BatchAppended,
  BatchRefused,
  ClientFrame,
  Deliver,
  LaneKept,
  LaneOpen,
  LaneOpened,
  LaneRewind,
  LeaseAcquire,
  LeaseEnded,
  LeaseGranted,
  LeaseOffered,
  LeaseRaise,
  LeaseRelease,
  LeaseReleased,
  LeaseRevoke,
  MemberEnded,
  MemberJoin,
  MemberJoined,
  Redeliver,
  Settled,
  SettleRefused,
  TopicFind,
  TopicFound,
  Welcome,
} from "../protocol/frames.ts";

/** Requests and what answers each. */
export interface Requests {
  readonly "topic.find": [TopicFind, TopicFound];
  readonly "lane.open": [LaneOpen, LaneOpened];
  readonly "member.join": [MemberJoin, MemberJoined];
  readonly "lease.acquire": [LeaseAcquire, LeaseGranted];
  readonly "lease.raise": [LeaseRaise, LeaseGranted];
  readonly "lease.release": [LeaseRelease, LeaseReleased];
  readonly "aside.put": [AsidePut, AsideDone];
  readonly ask: [Ask, Answer];
}
export type LaneFrame = BatchAppended | BatchRefused | LaneKept | LaneRewind;
/** `lease.granted` arrives here only when nobody asked for it (unordered topics). */
export type MemberFrame =
  | MemberEnded
  | LeaseOffered
  | LeaseGranted
  | LeaseRevoke
  | LeaseEnded
  | Deliver
  | Redeliver
  | Settled
  | SettleRefused;

/** One open, welcomed link to a broker. When it ends, `request`s under way reject with `UNAVAILABLE`, its streams complete, and `send` does nothing. */
export interface BrokerLink {
  /** Grows with every link of this client. */
  readonly number: number;
  /** The broker's limits; `messageBytesMax` is what of it a frame of the link's codec holds. */
  readonly welcome: Welcome;
  /** Packed bytes of a batch of several messages, at most. */
  readonly batchBytesMax: number;
  readonly open: boolean;
  /** Queues a frame; all frames of a turn leave together, in order. */
  send(frame: ClientFrame): void;
  /** Sends a request under a number of its own. Rejects with the broker's error, or `UNAVAILABLE` when the link ends first. */
  request<T extends keyof Requests>(frame: Omit<Requests[T][0], "request">): Promise<Requests[T][1]>;
  /** Numbers for `lane` and `member`, unique on this link, from 1. */
  nextNumber(): number;
  /** Frames for one lane, in order; subscribe before `lane.open` is sent. */
  lane$(lane: number): Observable<LaneFrame>;
  /** Frames for one member, in order; subscribe before `member.join` is sent. */
  member$(member: number): Observable<MemberFrame>;
  /**
   * Leases that heartbeats of this link list. `leases()` is asked at each beat; `answered` gets the answer and the time (`runtime.now()` and `wallNow()`) the beat was *sent*.
   * Returns what takes the source away again.
   */
  heartbeats(source: HeartbeatSource): () => void;
  /** Whether a heartbeat has room for one lease more than there are queues at work. */
  readonly hasLeaseRoom: boolean;
  /** Sends a heartbeat now (first one on a link: after joins and resumes). */
  beat(): void;
  /** Sends one in a turn of its own, however often it is asked for in this one: what is answered in one packet is listed together. */
  beatSoon(): void;
  /** The broker sent what it must not: says so and ends the link, which is then dialled anew. Never throws. */
  violation(reason: string): void;
  /** Something of ours threw over what came on this link: logs it and ends the link (`INTERNAL`), which is then dialled anew, later each time. Never throws. */
  fault(thrown: unknown, doing: string): void;
  readonly bufferedBytes: number;
}
export interface HeartbeatSource {
  /** Queues it is at work on: it lists no more leases than that. */
  readonly workers: number;
  leases(): readonly { readonly member: number; readonly queue: number; readonly epoch: number }[];
  answered(answer: {
    readonly sentAt: Instant;
    readonly renewed: readonly {
      readonly member: number;
      readonly queue: number;
      readonly epoch: number;
      readonly ttlMs: number;
    }[];
    readonly ended: readonly { readonly member: number; readonly queue: number; readonly epoch: number }[];
  }): void;
}
/** One moment on both clocks: elapsed time is the larger of the two (a backward step of the wall clock counts 0), so suspends end leases early, never late. */
export interface Instant {
  readonly now: number;
  readonly wallNow: number;
}

/** The connection to a broker as producers and consumers see it: the open link, or none for now. */
export interface BrokerConnection {
  readonly link: BrokerLink | null;
  /** Limits of the present link's broker or, while there is none, of the last one's. */
  readonly welcome: Welcome;
  /** Emits the present link (or null) at once, then each change; completes when the client closes. Never errors: what a reconnect failed with is told on `events$` (`link.closed`), and tried again. */
  readonly links$: Observable<BrokerLink | null>;
}
