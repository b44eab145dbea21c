import { Recurring } from "../runtime/recurring.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { Intake } from "./intake.ts";

/** A link without any packet for this many heartbeats is given up. */
const SILENT_BEATS = 4;
/** After this many it is taken for silent: queues are offered to others first. */
const SUSPECT_BEATS = 2;

export interface SilenceParts {
  readonly runtime: Runtime;
  readonly heartbeatMs: number;
  readonly intake: Pick<Intake, "held" | "wentOnAt">;
  /** Bytes that wait for the peer. */
  readonly unread: () => number;
  /** Nothing has come for too long. */
  readonly onSilent: () => void;
  /** It has read nothing for too long of what waits for it, and so is not read itself. */
  readonly onUnread: () => void;
  readonly failed: (error: unknown) => void;
}
/**
 * Whether the client of a link is still there. Who is not listened to is not silent; who does not read, and therefore
 * is not listened to, has as long to read something.
 */
export class Silence {
  readonly #parts: SilenceParts;
  readonly #looks: Recurring;
  readonly #suspectMs: number;
  #heardAt: number;
  /** What waited for the peer at the last look, while that kept it from being listened to. */
  #unread: number | null = null;

  constructor(parts: SilenceParts) {
    this.#parts = parts;
    this.#suspectMs = parts.heartbeatMs * SUSPECT_BEATS;
    this.#heardAt = parts.runtime.now();
    this.#looks = new Recurring(
      parts.runtime,
      (parts.heartbeatMs * SILENT_BEATS) / 2,
      () => this.#look(),
      parts.failed,
    );
  }
  /** A packet has come. @returns whether its client was suspected */
  heard(now: number): boolean {
    const wasSuspected = now - this.#heardAt > this.#suspectMs && this.#isPast(now, SUSPECT_BEATS);
    this.#heardAt = now;
    return wasSuspected;
  }
  /** Nothing was heard for so long that its client may be frozen or cut off. */
  get isSuspected(): boolean {
    return this.#isPast(this.#parts.runtime.now(), SUSPECT_BEATS);
  }
  stop(): void {
    this.#looks.stop();
  }
  #isPast(now: number, beats: number): boolean {
    const { intake, heartbeatMs } = this.#parts;
    return intake.held === null && now - Math.max(this.#heardAt, intake.wentOnAt) > heartbeatMs * beats;
  }
  #look(): void {
    const { runtime, intake, unread, onUnread, onSilent } = this.#parts;
    const before = this.#unread;
    this.#unread = intake.held === "unread" ? unread() : null;
    if (before !== null && this.#unread !== null && this.#unread >= before) onUnread();
    else if (this.#isPast(runtime.now(), SILENT_BEATS)) onSilent();
  }
}
