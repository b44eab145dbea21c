import { HEARTBEAT_MS_MIN } from "../message/duration.ts";
import { MessagingError } from "../message/errors.ts";
import type { Codec } from "../protocol/codec.ts";
import { leasesMax } from "../protocol/frame-bytes.ts";
import type { ClientFrame, HeartbeatAnswered, LeaseKey, Welcome } from "../protocol/frames.ts";
import type { Runtime } from "../runtime/runtime.ts";

/**
 * So many beats without a single frame from the broker, and it is taken for dead.
 * Beats and not time: a process that was suspended asks first.
 */
const SILENT_BEATS_MAX = 3;

/** One moment on both clocks: elapsed time is the larger of the two, so that suspends end leases early, never late. */
export interface Instant {
  readonly now: number;
  readonly wallNow: number;
}
/** Whose leases heartbeats list. */
export interface HeartbeatSource {
  /** Queues it is at work on: it lists no more leases than that. */
  readonly workers: number;
  /** Asked at each beat. */
  leases(): readonly LeaseKey[];
  /** `sentAt`: when the beat was sent that is answered. */
  answered(answer: { readonly sentAt: Instant } & Pick<HeartbeatAnswered, "renewed" | "ended">): void;
}
/** The link that beats. */
interface Beating {
  send(frame: ClientFrame): void;
  /** The broker is silent: nobody is there to say goodbye to. */
  lost(error: MessagingError): void;
  /** Runs a step of the link; what it throws ends the link. */
  contain(doing: string, step: () => void): void;
}

/** The heartbeats of one link: they renew the leases of its members, and notice a broker that says nothing any more. */
export class Heartbeats {
  readonly #link: Beating;
  readonly #runtime: Runtime;
  readonly #sources = new Set<HeartbeatSource>();
  /** Beats without an answer, by their numbers. */
  readonly #beats = new Map<number, Instant>();
  #number = 0;
  #isRunning = false;
  #everyMs = 0;
  #leasesMax = 0;
  #silentBeats = 0;
  /** Highest grant whose receiver has surely recorded its lease, so that a beat either lists it or means it. */
  #grantsSeen = 0;
  #grantsArrived = 0;
  #timer: unknown = null;
  #soonTimer: unknown = null;
  #grantTimer: unknown = null;

  constructor(link: Beating, runtime: Runtime) {
    this.#link = link;
    this.#runtime = runtime;
  }
  start(welcome: Welcome, codec: Codec["name"]): void {
    this.#isRunning = true;
    this.#everyMs = Math.max(HEARTBEAT_MS_MIN, welcome.heartbeatMs);
    this.#leasesMax = leasesMax(codec, welcome.frameBytesMax);
    this.#timer = this.#runtime.setTimeout(this.#onTimer, this.#everyMs);
  }
  stop(): void {
    this.#isRunning = false;
    for (const timer of [this.#timer, this.#soonTimer, this.#grantTimer])
      if (timer !== null) this.#runtime.clearTimeout(timer);
    this.#sources.clear();
  }
  /** Returns what takes the source away again. */
  add(source: HeartbeatSource): () => void {
    this.#sources.add(source);
    return () => void this.#sources.delete(source);
  }
  get hasLeaseRoom(): boolean {
    let leases = 0;
    for (const { workers } of this.#sources) leases += workers;
    return leases < this.#leasesMax;
  }

  beat(): void {
    this.#link.contain("heartbeat", () => this.#send());
  }
  #send(): void {
    if (!this.#isRunning) return;
    const beat = ++this.#number;
    const leases = [...this.#sources].flatMap((source) => source.leases());
    this.#beats.set(beat, { now: this.#runtime.now(), wallNow: this.#runtime.wallNow() });
    this.#link.send({ type: "heartbeat", beat, grantsSeen: this.#grantsSeen, leases });
  }
  beatSoon(): void {
    if (!this.#isRunning) return;
    this.#soonTimer ??= this.#runtime.setTimeout(() => {
      this.#soonTimer = null;
      this.beat();
    }, 0);
  }
  readonly #onTimer = (): void => {
    if (this.#silentBeats >= SILENT_BEATS_MAX) {
      const text = `no frame from the broker for ${SILENT_BEATS_MAX} heartbeats of ${this.#everyMs} ms`;
      this.#link.lost(new MessagingError("UNAVAILABLE", text));
      return;
    }
    this.#silentBeats++;
    this.#timer = this.#runtime.setTimeout(this.#onTimer, this.#everyMs);
    this.beat();
  };

  /** Something came on the link. */
  heard(): void {
    this.#silentBeats = 0;
  }
  /** A grant counts as seen one timer after it arrived: by then whoever asked for it has it on its list. */
  granted(grant: number): void {
    this.#grantsArrived = Math.max(this.#grantsArrived, grant);
    this.#grantTimer ??= this.#runtime.setTimeout(() => {
      this.#grantTimer = null;
      this.#grantsSeen = this.#grantsArrived;
    }, 0);
  }
  /** @throws `PROTOCOL_VIOLATION` */
  answered({ beat, renewed, ended }: HeartbeatAnswered): void {
    const sentAt = this.#beats.get(beat);
    if (sentAt === undefined)
      throw new MessagingError(
        "PROTOCOL_VIOLATION",
        `heartbeat.answered: expected a beat that waits for its answer, found ${beat}`,
      );
    this.#beats.delete(beat);
    for (const source of [...this.#sources]) source.answered({ sentAt, renewed, ended });
  }
}
