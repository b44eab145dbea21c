import {
  DrainWaits,
  type IncomingLink,
  type Link,
  type LinkCode,
  type LinkEnd,
  type Principal,
} from "@seriatim/actors/transport";
import type { Observable } from "rxjs";
import { Mailbox } from "./mailbox.ts";
import type { Turns } from "./turns.ts";

/**
 * Bytes a peer may leave untaken before its link ends as `overloaded`:
 * far beyond what a sender that holds back lets pile up.
 */
const UNTAKEN_BYTES_MAX = 64 * 1024 * 1024;

/**
 * One side of a link inside this process.
 * What the peer sends waits here, in the receiving side's mailbox, until it is taken.
 */
export class MemoryLink implements Link {
  readonly frames$: Observable<Uint8Array>;
  readonly ended: Promise<LinkEnd>;
  readonly #turns: Turns;
  readonly #frameBytesMax: number;
  readonly #inbox: Mailbox<Uint8Array>;
  #peer!: MemoryLink;
  #resolveEnded!: (end: LinkEnd) => void;
  #phase: "open" | "closing" | "ended" = "open";
  /** How this side will say it ended, once that is decided. */
  #end: LinkEnd | null = null;
  /** How the peer says it ended: takes effect behind the frames it sent before. */
  #peerEnd: LinkEnd | null = null;
  /** A frame over the limit stands behind those in the inbox. */
  #tooLarge: number | null = null;
  #inboxBytes = 0;
  readonly #drains = new DrainWaits();
  #scheduled = false;

  constructor(turns: Turns, frameBytesMax: number) {
    this.#turns = turns;
    this.#frameBytesMax = frameBytesMax;
    this.#inbox = new Mailbox(() => this.#wake());
    this.frames$ = this.#inbox.taken$;
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
  }
  static join(one: MemoryLink, other: MemoryLink): void {
    one.#peer = other;
    other.#peer = one;
  }

  get bufferedBytes(): number {
    return this.#phase === "ended" ? 0 : this.#peer.#inboxBytes;
  }

  pause(): void {
    this.#inbox.pause();
  }
  resume(): void {
    this.#inbox.resume();
    this.#wake();
  }

  whenDrained(bytes: number, drained: () => void): void {
    this.#drains.add(bytes, drained);
    this.#lookDrained();
  }
  #lookDrained(): void {
    if (this.#drains.any) this.#turns.soon(() => this.#drains.look(this.bufferedBytes));
  }

  send(frame: Uint8Array): void {
    const peer = this.#peer;
    if (this.#phase !== "open" || peer.#phase !== "open" || peer.#tooLarge !== null) return;
    if (frame.byteLength > peer.#frameBytesMax) {
      peer.#tooLarge = frame.byteLength;
    } else {
      peer.#inbox.put(frame);
      peer.#inboxBytes += frame.byteLength;
      if (peer.#inboxBytes > UNTAKEN_BYTES_MAX) {
        peer.#drop();
        this.close("overloaded", `the peer has not taken more than ${UNTAKEN_BYTES_MAX} bytes`);
        return;
      }
    }
    peer.#wake();
  }

  close(code: LinkCode = "normal", reason = ""): void {
    if (this.#phase !== "open") return;
    this.#phase = "closing";
    this.#end = { code, reason };
    this.#drop();
    this.#peer.#peerEnd = this.#end;
    this.#peer.#wake();
  }

  abort(): void {
    if (this.#phase === "ended") return;
    const peer = this.#peer;
    this.#phase = "closing";
    this.#end = { code: "lost", reason: "aborted" };
    this.#drop();
    peer.#drop();
    if (peer.#phase === "open") {
      peer.#phase = "closing";
      peer.#end = { code: "lost", reason: "the peer aborted the link" };
    }
    this.#peerEnd = peer.#peerEnd = this.#end;
    peer.#wake();
  }

  /** Never from inside a call of either side: hands over in a turn of its own. */
  #wake(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#turns.soon(() => {
      this.#scheduled = false;
      this.#handOver();
    });
  }
  #handOver(): void {
    this.#inbox.handOver((frame) => {
      this.#inboxBytes -= frame.byteLength;
    });
    this.#peer.#lookDrained();
    if (this.#phase === "ended") return;
    if (this.#inbox.size > 0 && this.#inbox.isTaken) {
      this.#wake(); // came meanwhile
    } else if (this.#peerEnd !== null) {
      // Frames that nobody takes yet stay for whoever does: they have been handed over.
      const end = this.#peerEnd;
      this.#finish(end);
      this.#peer.#finish(end);
    } else if (this.#tooLarge !== null && this.#phase === "open") {
      this.#phase = "closing";
      this.#end = {
        code: "tooLarge",
        reason: `a frame of ${this.#tooLarge} bytes is over the limit of ${this.#frameBytesMax}`,
      };
      this.#peer.#peerEnd = this.#end;
      this.#peer.#wake();
    }
  }
  #finish(otherwise: LinkEnd): void {
    if (this.#phase === "ended") return;
    this.#phase = "ended";
    this.#lookDrained();
    this.#inbox.close();
    this.#resolveEnded(this.#end ?? otherwise);
  }
  #drop(): void {
    this.#inbox.clear();
    this.#inboxBytes = 0;
    this.#peer.#lookDrained();
  }
}

/** The listening side's end. */
export class IncomingMemoryLink extends MemoryLink implements IncomingLink {
  readonly principal: Principal;
  readonly remote: string;
  constructor(turns: Turns, frameBytesMax: number, principal: Principal, remote: string) {
    super(turns, frameBytesMax);
    this.principal = principal;
    this.remote = remote;
  }
}
