import type { Runtime } from "@seriatim/actors/client";
import {
  DrainWaits,
  type IncomingLink,
  type Link,
  type LinkCode,
  type LinkEnd,
  type Principal,
  TokenBucket,
} from "@seriatim/actors/transport";
import type { Observable } from "rxjs";
import { Mailbox } from "./mailbox.ts";
import { linkEndOf } from "./wire.ts";

/**
 * What a link needs of a WebSocket, whichever implementation it is.
 * What the socket has to tell goes to the link's `on…` methods.
 */
export interface Socket {
  /** Bytes taken by `send` and not yet given to the operating system. */
  readonly bufferedAmount: number;
  /**
   * Whether it calls the link's `onWritten` when something of it has been given to the operating system;
   * else the link has to look for itself.
   */
  readonly tellsWritten: boolean;
  send(frame: Uint8Array): void;
  close(code: LinkCode, reason: string): void;
  terminate(): void;
  /** Absent where the platform cannot stop reading. */
  readonly flow?: { pause(): void; resume(): void };
  /** Absent where the platform has no ping. */
  readonly heartbeat?: { ping(): void; bytesRead(): number; bytesFlushed(): number };
}

export interface LinkSettings {
  readonly frameBytesMax: number;
  readonly pingMs: number;
  readonly bufferedBytesMax: number;
  readonly overloadedAfterMs: number;
  /** What the peer may send per second; more is not read until the second allows it. */
  readonly rates?: { readonly framesPerSecondMax: number; readonly bytesPerSecondMax: number };
}

/** Frames kept for a subscriber that has not come yet, in bytes; beyond it the socket is not read. */
const KEPT_BYTES_MAX = 1024 * 1024;
/**
 * Bytes read of one link until it is the others' turn. The platform itself would read a busy socket 2 MiB at a time.
 */
const TURN_BYTES_MAX = 256 * 1024;
/** What each frame counts beside its bytes: a turn holds 2,048 small ones. */
const FRAME_COST_BYTES = 128;
/**
 * How often a socket that tells nothing is looked at while somebody waits for it to drain, ms: at first, and at most.
 */
const DRAIN_LOOK_MS = 4;
const DRAIN_LOOK_MS_MAX = 64;
/** A buffer this many times over its bound ends the link without a grace period. */
const BUFFER_FACTOR_MAX = 8;
/** Unanswered pings that end a link. */
const MISSES_MAX = 2;
/**
 * After `close`: a peer that takes nothing for this long is cut off, ms;
 * one that takes something, at the second figure.
 */
const CLOSE_STALL_MS = 10_000;
export const CLOSE_MAX_MS = 60_000;
/** The same for a peer that does not keep to the rules, or has had its time already. */
const REFUSED_STALL_MS = 1_000;

export class WsLink implements Link {
  readonly frames$: Observable<Uint8Array>;
  readonly ended: Promise<LinkEnd>;
  readonly #runtime: Runtime;
  readonly #socket: Socket;
  readonly #settings: LinkSettings;
  readonly #inbox: Mailbox<Uint8Array>;
  readonly #frames: TokenBucket | null = null;
  readonly #bytes: TokenBucket | null = null;
  #resolveEnded!: (end: LinkEnd) => void;
  #phase: "open" | "closing" | "ended" = "open";
  /** How this side will say it ended, once that is decided. */
  #end: LinkEnd | null = null;
  #keptBytes = 0;
  #turnBytes = 0;
  #hasYielded = false;
  #throttled = false;
  /** By whoever reads its frames. */
  #heldBack = false;
  /** The socket is not read. */
  #paused = false;
  readonly #drains = new DrainWaits();
  #drainTimer: unknown;
  #pingTimer: unknown;
  #bufferTimer: unknown;
  #throttleTimer: unknown;
  #closeTimer: unknown;

  constructor(runtime: Runtime, socket: Socket, settings: LinkSettings) {
    this.#runtime = runtime;
    this.#socket = socket;
    this.#settings = settings;
    this.#inbox = new Mailbox(runtime, () => {
      this.#keptBytes = 0;
      this.#pauseOrResume();
    });
    this.frames$ = this.#inbox.taken$;
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
    if (settings.rates !== undefined) {
      const { framesPerSecondMax, bytesPerSecondMax } = settings.rates;
      this.#frames = new TokenBucket(runtime, framesPerSecondMax, framesPerSecondMax);
      this.#bytes = new TokenBucket(runtime, bytesPerSecondMax, bytesPerSecondMax);
    }
    this.#keepAlive();
  }

  get bufferedBytes(): number {
    return this.#phase === "ended" ? 0 : this.#socket.bufferedAmount;
  }

  pause(): void {
    this.#heldBack = true;
    this.#inbox.pause();
    this.#pauseOrResume();
  }
  resume(): void {
    this.#heldBack = false;
    this.#inbox.resume();
    this.#pauseOrResume();
  }

  whenDrained(bytes: number, drained: () => void): void {
    this.#drains.add(bytes, drained);
    this.#runtime.defer(() => this.onWritten());
    if (!this.#socket.tellsWritten && this.#phase !== "ended") this.#lookForDrain(DRAIN_LOOK_MS);
  }
  /** More rarely the longer it takes. */
  #lookForDrain(afterMs: number): void {
    this.#runtime.clearTimeout(this.#drainTimer);
    this.#drainTimer = this.#runtime.setTimeout(() => {
      this.onWritten();
      if (this.#drains.any) this.#lookForDrain(Math.min(afterMs * 2, DRAIN_LOOK_MS_MAX));
    }, afterMs);
  }

  send(frame: Uint8Array): void {
    if (this.#phase !== "open") return;
    this.#socket.send(frame);
    if (this.#bufferTimer === undefined && this.#socket.bufferedAmount > this.#settings.bufferedBytesMax)
      this.#watchBuffer(this.#runtime.now());
    else if (this.#socket.bufferedAmount > this.#settings.bufferedBytesMax * BUFFER_FACTOR_MAX) this.#overloaded();
  }

  close(code: LinkCode = "normal", reason = ""): void {
    if (this.#phase !== "open") return;
    this.#closing({ code, reason }, CLOSE_STALL_MS);
    this.#inbox.clear();
    this.#socket.close(code, reason);
  }
  /** Closes on what the peer did. What came before it stays for whoever subscribes. */
  #refuse(code: LinkCode, reason: string): void {
    if (this.#phase !== "open") return;
    this.#closing({ code, reason }, REFUSED_STALL_MS);
    this.#socket.close(code, reason);
  }

  abort(): void {
    if (this.#phase === "ended") return;
    this.#closing({ code: "lost", reason: "aborted" }, CLOSE_STALL_MS);
    this.#inbox.clear();
    this.#socket.terminate();
  }

  /* ---------- what the socket tells ---------- */

  onFrame(frame: Uint8Array): void {
    if (this.#phase !== "open") return;
    if (frame.byteLength > this.#settings.frameBytesMax) {
      this.#refuse(
        "tooLarge",
        `a frame of ${frame.byteLength} bytes is over the limit of ${this.#settings.frameBytesMax}`,
      );
      return;
    }
    this.#spend(frame.byteLength);
    this.#yieldAfter(frame.byteLength);
    if (this.#inbox.put(frame)) return;
    this.#keptBytes += frame.byteLength;
    if (this.#socket.flow !== undefined) this.#pauseOrResume();
    else if (this.#keptBytes > this.#settings.bufferedBytesMax * BUFFER_FACTOR_MAX)
      this.#refuse("overloaded", `${this.#keptBytes} bytes have come and nobody takes them`);
  }
  onWritten(): void {
    if (this.#drains.any) this.#drains.look(this.bufferedBytes);
  }
  onText(): void {
    this.#refuse("violation", "a text frame: this protocol is binary");
  }
  /** A ping or a pong. */
  onControl(): void {
    if (this.#phase === "open") this.#spend(0);
  }
  /** The socket refuses what it read, and is closing by itself. */
  onRefused(code: LinkCode, reason: string): void {
    if (this.#phase === "open") this.#closing({ code, reason }, REFUSED_STALL_MS);
  }
  onClosed(closeCode: number, reason: string): void {
    if (this.#phase === "ended") return;
    this.#stopTimers();
    this.#runtime.clearTimeout(this.#closeTimer);
    this.#runtime.clearTimeout(this.#drainTimer);
    this.#phase = "ended";
    this.#drains.look(0);
    this.#inbox.close();
    this.#resolveEnded(this.#end ?? linkEndOf(closeCode, reason));
  }

  /* ---------- ending ---------- */

  #closing(end: LinkEnd, stallMs: number): void {
    this.#phase = "closing";
    this.#end = end;
    this.#stopTimers();
    this.#throttled = false;
    this.#keptBytes = 0;
    this.#pauseOrResume(); // the peer's answer must be read
    this.#runtime.clearTimeout(this.#closeTimer);
    const startedAt = this.#runtime.now();
    let pending = this.#socket.bufferedAmount;
    const check = () => {
      const before = pending;
      pending = this.#socket.bufferedAmount;
      if (pending > 0 && pending < before && this.#runtime.now() - startedAt < CLOSE_MAX_MS)
        this.#closeTimer = this.#runtime.setTimeout(check, stallMs);
      else this.#socket.terminate();
    };
    this.#closeTimer = this.#runtime.setTimeout(check, stallMs);
  }
  #stopTimers(): void {
    this.#runtime.clearTimeout(this.#pingTimer);
    this.#runtime.clearTimeout(this.#bufferTimer);
    this.#runtime.clearTimeout(this.#throttleTimer);
  }

  /* ---------- a peer that is gone, does not read, or sends too much ---------- */

  #keepAlive(): void {
    const heartbeat = this.#socket.heartbeat;
    if (heartbeat === undefined) return;
    let read = heartbeat.bytesRead();
    let flushed = heartbeat.bytesFlushed();
    let behind = false;
    let misses = -1; // the first ping is still to come
    const beat = () => {
      const readNow = heartbeat.bytesRead();
      const flushedNow = heartbeat.bytesFlushed();
      const behindNow = this.#socket.bufferedAmount > 0;
      // A full kernel buffer that goes on emptying is a sign of life, too:
      // the pong waits behind what the peer is still reading.
      const alive = readNow > read || (behind && behindNow && flushedNow > flushed) || this.#paused;
      misses = alive ? 0 : misses + 1;
      if (misses >= MISSES_MAX) {
        this.#closing({ code: "lost", reason: `no sign of life for ${MISSES_MAX} pings` }, CLOSE_STALL_MS);
        this.#socket.terminate();
        return;
      }
      read = readNow;
      flushed = flushedNow;
      behind = behindNow;
      heartbeat.ping();
      this.#pingTimer = this.#runtime.setTimeout(beat, this.#settings.pingMs);
    };
    this.#pingTimer = this.#runtime.setTimeout(beat, this.#settings.pingMs);
  }

  #watchBuffer(since: number): void {
    const { overloadedAfterMs, bufferedBytesMax } = this.#settings;
    this.#bufferTimer = this.#runtime.setTimeout(
      () => {
        this.#bufferTimer = undefined;
        if (this.#socket.bufferedAmount <= bufferedBytesMax) return;
        if (this.#runtime.now() - since >= overloadedAfterMs) this.#overloaded();
        else this.#watchBuffer(since);
      },
      Math.ceil(overloadedAfterMs / 4),
    );
  }
  #overloaded(): void {
    const reason = `${this.#socket.bufferedAmount} bytes wait for a peer that does not read them`;
    this.#refuse("overloaded", reason);
  }

  /** Whoever sends faster than allowed is read more slowly; TCP tells it. Nothing is lost, and nobody else waits. */
  #spend(bytes: number): void {
    if (this.#frames === null || this.#bytes === null) return;
    const waitMs = Math.max(this.#frames.take(1), this.#bytes.take(bytes));
    if (waitMs === 0 || this.#throttled) return;
    this.#throttled = true;
    this.#pauseOrResume();
    this.#throttleTimer = this.#runtime.setTimeout(() => {
      this.#throttled = false;
      this.#pauseOrResume();
    }, Math.ceil(waitMs));
  }
  /** A link that has much to say lets others speak in between. */
  #yieldAfter(bytes: number): void {
    if (this.#socket.flow === undefined) return;
    this.#turnBytes += bytes + FRAME_COST_BYTES;
    if (this.#turnBytes < TURN_BYTES_MAX || this.#hasYielded) return;
    this.#turnBytes = 0;
    this.#hasYielded = true;
    this.#pauseOrResume();
    this.#runtime.setTimeout(() => {
      this.#hasYielded = false;
      this.#pauseOrResume();
    }, 0);
  }
  #pauseOrResume(): void {
    const pause =
      this.#phase === "open" &&
      (this.#throttled || this.#hasYielded || this.#heldBack || this.#keptBytes > KEPT_BYTES_MAX);
    if (pause === this.#paused) return;
    this.#paused = pause;
    if (pause) this.#socket.flow?.pause();
    else this.#socket.flow?.resume();
  }
}

/** A link as the listening side gets it. */
export class IncomingWsLink extends WsLink implements IncomingLink {
  readonly principal: Principal;
  readonly remote: string;
  constructor(
    runtime: Runtime,
    socket: Socket,
    settings: LinkSettings,
    from: { readonly principal: Principal; readonly remote: string },
  ) {
    super(runtime, socket, settings);
    this.principal = from.principal;
    this.remote = from.remote;
  }
}
