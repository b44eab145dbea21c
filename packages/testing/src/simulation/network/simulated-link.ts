import { DrainWaits, type IncomingLink, type LinkCode, type LinkEnd, type Principal } from "@seriatim/actors/transport";
import { Observable, type Subscriber } from "rxjs";
import type { LinkSide, Wires } from "./wires.ts";

/** What travels: a packet, or the news that the link has ended. */
type Parcel = { readonly packet: Uint8Array; readonly at: number } | { readonly end: LinkEnd; readonly at: number };

export interface LinkOptions {
  readonly side: LinkSide;
  readonly remote: string;
  readonly principal: Principal;
  /** A packet has come to the other machine, whether or not anybody reads it there. */
  readonly onReached: (link: SimulatedLink) => void;
  readonly onEnded: (link: SimulatedLink) => void;
}
const CLOSE_WITHIN_MS = 2_000;

/**
 * One side of a simulated link. What it sends is on its way in `#out` and arrives in order, after a delay, unless the
 * link is cut first.
 */
export class SimulatedLink implements IncomingLink {
  readonly frames$: Observable<Uint8Array>;
  readonly ended: Promise<LinkEnd>;
  readonly principal: Principal;
  readonly remote: string;
  readonly side: LinkSide;
  peer!: SimulatedLink;
  /** Whose link it is, of the two. */
  dialler!: LinkSide;
  readonly #wires: Wires;
  readonly #options: LinkOptions;
  #resolveEnded!: (end: LinkEnd) => void;
  #reader: Subscriber<Uint8Array> | null = null;
  /** Handed over before anybody subscribed, or while whoever has holds back. */
  #kept: Uint8Array[] = [];
  #paused = false;
  /** Arrived at this side's machine, waiting for its process. */
  readonly #inbox: Parcel[] = [];
  /** On their way to the peer. */
  #out: Parcel[] = [];
  #outBytes = 0;
  readonly #drains = new DrainWaits();
  #lastArrival = 0;
  #pumping = false;
  #phase: "open" | "closing" | "ended" = "open";
  /** What is sent from now on is lost, in silence. */
  #severed = false;
  /** What it sends waits on its way, and nothing else does. */
  #heldBack = false;

  constructor(wires: Wires, options: LinkOptions) {
    this.#wires = wires;
    this.#options = options;
    this.side = options.side;
    this.remote = options.remote;
    this.principal = options.principal;
    this.frames$ = new Observable((reader) => {
      this.#reader = reader;
      this.#handOver();
      return () => {
        this.#reader = null;
      };
    });
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
  }
  static join(dialling: SimulatedLink, listening: SimulatedLink): void {
    dialling.peer = listening;
    listening.peer = dialling;
    dialling.dialler = dialling.side;
    listening.dialler = dialling.side;
  }

  get isOver(): boolean {
    return this.#phase === "ended";
  }
  get bufferedBytes(): number {
    return this.#phase === "ended" ? 0 : this.#outBytes;
  }
  pause(): void {
    if (!this.#paused) this.#wires.heldBack();
    this.#paused = true;
  }
  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#wires.after(0, () => this.side.runtime.deliver(() => this.#handOver()));
  }
  /** What was kept, as far as it is taken; the end once all of it is. */
  #handOver(): void {
    while (this.#kept.length > 0 && this.#reader !== null && !this.#paused)
      this.#reader.next(this.#kept.shift() as Uint8Array);
    if (this.#kept.length === 0 && this.#phase === "ended") this.#reader?.complete();
  }
  whenDrained(bytes: number, drained: () => void): void {
    this.#drains.add(bytes, drained);
    this.#lookDrained();
  }
  /** In a turn of its own, of the process that sends. */
  #lookDrained(): void {
    if (!this.#drains.any) return;
    this.#wires.after(0, () => this.side.runtime.deliver(() => this.#drains.look(this.bufferedBytes)));
  }
  send(packet: Uint8Array): void {
    if (this.#phase !== "open") return;
    if (!this.#severed && this.#wires.breaksOver(this.side.name, this.peer.side.name, packet)) {
      this.#wires.packet("lost", this.side.name, this.peer.side.name, packet, this.dialler);
      this.#post({ end: LOST, at: this.#arrival() });
      this.#severed = true;
      this.peer.cut(true);
      return;
    }
    this.#wires.packet(this.#severed ? "lost" : "sent", this.side.name, this.peer.side.name, packet, this.dialler);
    if (this.#severed) return;
    this.#outBytes += packet.byteLength;
    this.#post({ packet, at: this.#arrival() });
  }
  close(code: LinkCode = "normal", reason = ""): void {
    if (this.#phase !== "open") return;
    this.#phase = "closing";
    this.#kept = [];
    const end = { code, reason };
    if (this.#severed) {
      this.finish(end);
      return;
    }
    this.#post({ end, at: this.#arrival() });
    this.#wires.after(CLOSE_WITHIN_MS, () => this.side.runtime.deliver(() => this.finish(end)));
  }
  abort(): void {
    if (this.#phase === "ended") return;
    this.#kept = [];
    this.#dropTail();
    if (!this.#severed) this.#post({ end: { code: "lost", reason: "the peer aborted the link" }, at: this.#arrival() });
    this.finish({ code: "lost", reason: "aborted" });
  }

  /**
   * Cuts what travels from this side: of what is on its way a first part still arrives. With `told`, the peer learns of
   * it.
   */
  cut(told: boolean): void {
    if (this.#severed) return;
    this.#dropTail();
    if (told && this.peer.#phase !== "ended") this.#post({ end: LOST, at: this.#arrival() });
    this.#severed = true;
  }
  /** Holds back what this side sends and has sent, until `letGo`. */
  holdBack(): void {
    this.#heldBack = true;
  }
  letGo(): void {
    this.#heldBack = false;
    this.pump();
  }
  /** Tells this side's process that the link is gone. */
  lose(): void {
    this.side.runtime.deliver(() => this.finish(LOST));
  }
  /** Its process has died: nothing more comes from here, nothing is heard here. */
  die(): void {
    this.#phase = "ended";
    this.#options.onEnded(this);
  }
  finish(end: LinkEnd): void {
    if (this.#phase === "ended") return;
    this.#phase = "ended";
    this.#inbox.length = 0;
    this.#lookDrained();
    if (this.#kept.length === 0) this.#reader?.complete();
    this.#resolveEnded(end);
    this.#options.onEnded(this);
  }
  /** Lets what waits behind a partition go on. */
  pump(): void {
    if (this.#pumping || this.#heldBack) return;
    const parcel = this.#out[0];
    if (parcel === undefined || this.#wires.isBlocked(this.side.name, this.peer.side.name)) return;
    this.#pumping = true;
    this.#wires.after(Math.max(0, parcel.at - this.#wires.now()), () => {
      this.#pumping = false;
      if (this.#out[0] !== parcel) return this.pump();
      if (this.#heldBack) return;
      if (this.#wires.isBlocked(this.side.name, this.peer.side.name)) return;
      this.#out.shift();
      this.#arrive(parcel);
      this.pump();
    });
  }

  #post(parcel: Parcel): void {
    this.#lastArrival = parcel.at;
    this.#out.push(parcel);
    this.pump();
  }
  #arrival(): number {
    const { name } = this.side;
    return Math.max(this.#lastArrival, this.#wires.now() + this.#wires.delay(name, this.peer.side.name));
  }
  #arrive(parcel: Parcel): void {
    const { peer } = this;
    if ("packet" in parcel) this.#options.onReached(this);
    if (peer.#phase === "ended") {
      if ("packet" in parcel) this.#outBytes -= parcel.packet.byteLength;
      this.#lookDrained();
      return;
    }
    peer.#inbox.push(parcel);
    // taken from the inbox when the process runs, so that its order holds whatever order it wakes up in
    peer.side.runtime.deliver(() => peer.#take());
  }
  #take(): void {
    const parcel = this.#inbox.shift();
    if (parcel === undefined || this.#phase === "ended") return;
    if ("end" in parcel) {
      const { peer } = this;
      this.finish(parcel.end);
      if (peer.#phase === "closing")
        this.#wires.after(this.#wires.delay(this.side.name, peer.side.name), () =>
          peer.side.runtime.deliver(() => peer.finish(parcel.end)),
        );
      return;
    }
    this.peer.#outBytes -= parcel.packet.byteLength;
    this.peer.#lookDrained();
    this.#wires.packet("arrived", this.peer.side.name, this.side.name, parcel.packet, this.dialler);
    if (this.#phase !== "open") return;
    if (this.#reader === null || this.#paused || this.#kept.length > 0) this.#kept.push(parcel.packet);
    else this.#reader.next(parcel.packet);
  }
  /** Loses the end of what is on its way. */
  #dropTail(): void {
    const kept = Math.floor(this.#wires.random() * (this.#out.length + 1));
    for (const parcel of this.#out.splice(kept)) {
      if (!("packet" in parcel)) continue;
      this.#outBytes -= parcel.packet.byteLength;
      this.#wires.packet("lost", this.side.name, this.peer.side.name, parcel.packet, this.dialler);
    }
    this.#lastArrival = this.#out.at(-1)?.at ?? this.#wires.now();
    this.#lookDrained();
  }
}
const LOST: LinkEnd = { code: "lost", reason: "the connection was cut" };
